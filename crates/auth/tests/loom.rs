//! The index's row under loom: every order in which two threads may see each other's writes, by the C11 memory model.
//!
//! This compiles the row's own source against loom's atomics.

mod sync {
    pub(super) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
}

#[path = "../src/index/row.rs"]
mod row;

use doorward_key::Digest;
use doorward_types::Environment;
use loom::sync::Arc;
use loom::thread;
use row::{Fingerprint, Row, Tag};
use sync::{AtomicU64, Ordering};

const CODE: u64 = 7;

fn fingerprint() -> Fingerprint {
    Fingerprint::of(&Digest::from_words([1, 2, 3, 4]))
}

#[test]
fn whoever_sees_a_live_row_sees_all_of_it() {
    loom::model(|| {
        let row = Arc::new(Row::vacant());
        let writer = {
            let row = Arc::clone(&row);
            thread::spawn(move || row.publish(CODE, Environment::Test, fingerprint()))
        };
        let tag = row.tag();
        if tag != Tag::VACANT {
            assert!(tag.is_live() && tag.code() == CODE && tag.is_of(CODE));
            assert!(row.is(CODE, Environment::Test, fingerprint()));
            assert!(!row.is(CODE, Environment::Production, fingerprint()));
        }
        writer.join().unwrap();
    });
}

/// The order of `Node::refresh` and `Verifier::verify`: what was read is published before the lease that speaks for it, and
/// a verification takes the lease before it looks.
#[test]
fn a_lease_vouches_for_every_withdrawal_before_it() {
    loom::model(|| {
        let row = Arc::new(Row::vacant());
        row.publish(CODE, Environment::Production, fingerprint());
        let lease = Arc::new(AtomicU64::new(1));
        let node = {
            let (row, lease) = (Arc::clone(&row), Arc::clone(&lease));
            thread::spawn(move || {
                row.withdraw();
                lease.store(2, Ordering::Release);
            })
        };
        let taken = lease.load(Ordering::Acquire);
        let accepted = row.is(CODE, Environment::Production, fingerprint());
        assert!(!(accepted && taken == 2), "accepted under a lease that came after the withdrawal");
        node.join().unwrap();
        assert!(!row.tag().is_live());
    });
}

#[test]
fn no_use_is_counted_twice_or_lost() {
    loom::model(|| {
        let row = Arc::new(Row::vacant());
        let users: Vec<_> = (0..2)
            .map(|_| {
                let row = Arc::clone(&row);
                thread::spawn(move || row.add_uses(1))
            })
            .collect();
        let taken = row.take_uses();
        for user in users {
            user.join().unwrap();
        }
        assert_eq!(taken + row.take_uses(), 2);
    });
}
