//! Checks the index's rows and marks with loom: every order in which threads may see each other's writes, by the C11 memory
//! model.
//!
//! This compiles the index's own source files against loom's atomics.

mod sync {
    pub(super) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
}

#[path = "../../src/index/marks.rs"]
mod marks;
#[path = "../../src/index/row.rs"]
mod row;

use doorward_key::Digest;
use doorward_types::Environment;
use loom::sync::Arc;
use loom::thread;
use marks::Marks;
use row::{Fingerprint, Line, Row, Tag};
use sync::{AtomicU64, Ordering};

const CODE: u64 = 7;

fn fingerprint() -> Fingerprint {
    Fingerprint::of(&Digest::from_words([1, 2, 3, 4]))
}

/// Does the same with a line as `Index::verify`: the tag that the search read decides.
fn is_accepted(line: &Line) -> bool {
    let found = line.search(|tag| tag.is_of(CODE));
    found.is_some_and(|(_, row, seen)| row.is(seen, CODE, Environment::Production, fingerprint()))
}

fn line_with_one_row() -> Arc<Line> {
    let line = Arc::new(Line::vacant());
    line.rows()[0].publish(CODE, Environment::Production, false, fingerprint());
    line
}

#[test]
fn a_reader_that_sees_a_live_row_sees_all_of_it() {
    for is_held in [false, true] {
        loom::model(move || a_reader_sees_all_of_a_row(is_held));
    }
}

fn a_reader_sees_all_of_a_row(is_held: bool) {
    let row = Arc::new(Row::vacant());
    let writer = {
        let row = Arc::clone(&row);
        thread::spawn(move || row.publish(CODE, Environment::Test, is_held, fingerprint()))
    };
    let tag = row.tag();
    if tag != Tag::VACANT {
        assert!(tag.is_active() && tag.code() == CODE && tag.is_of(CODE));
        assert_eq!(tag.is_held(), is_held);
    }
    assert_eq!(row.is(tag, CODE, Environment::Test, fingerprint()), tag != Tag::VACANT);
    assert!(!row.is(tag, CODE, Environment::Production, fingerprint()));
    assert!(writer.join().is_ok());
}

/// The order of `Directory::write`: it writes the new row first, and then withdraws the old row.
#[test]
fn a_live_secret_is_accepted_while_its_record_moves() {
    loom::model(|| {
        let line = line_with_one_row();
        let writer = {
            let line = Arc::clone(&line);
            thread::spawn(move || {
                line.rows()[1].publish(CODE, Environment::Production, false, fingerprint());
                line.rows()[0].withdraw();
            })
        };
        assert!(is_accepted(&line));
        writer.join().unwrap();
        assert!(is_accepted(&line));
    });
}

/// The order of `Node::refresh` and `Verifier::verify`: the node publishes its reads before the lease that covers them, and a
/// verification takes the lease before it searches. The tag is read once, and never before the lease.
#[test]
fn a_lease_vouches_for_every_withdrawal_before_it() {
    loom::model(|| {
        let line = line_with_one_row();
        let lease = Arc::new(AtomicU64::new(1));
        let node = {
            let (line, lease) = (Arc::clone(&line), Arc::clone(&lease));
            thread::spawn(move || {
                line.rows()[0].withdraw();
                lease.store(2, Ordering::Release);
            })
        };
        let taken = lease.load(Ordering::Acquire);
        let accepted = is_accepted(&line);
        assert!(!(accepted && taken == 2), "accepted under a lease that came after the withdrawal");
        node.join().unwrap();
        assert!(!is_accepted(&line), "accepted by a search that began after the withdrawal");
    });
}

/// The record of a secret moves, and then the secret dies. A search that begins under the later lease finds neither row.
#[test]
fn a_lease_vouches_for_a_withdrawal_that_follows_a_move() {
    loom::model(|| {
        let line = line_with_one_row();
        let lease = Arc::new(AtomicU64::new(1));
        let node = {
            let (line, lease) = (Arc::clone(&line), Arc::clone(&lease));
            thread::spawn(move || {
                line.rows()[1].publish(CODE, Environment::Production, false, fingerprint());
                line.rows()[0].withdraw();
                line.rows()[1].withdraw();
                lease.store(2, Ordering::Release);
            })
        };
        let taken = lease.load(Ordering::Acquire);
        assert!(!(is_accepted(&line) && taken == 2));
        node.join().unwrap();
    });
}

/// After any take, the marks alone find the remaining counts.
#[test]
fn no_use_is_counted_twice_or_lost_or_left_without_a_mark() {
    loom::model(|| {
        let line = [Line::vacant()];
        line[0].rows().iter().for_each(|row| row.publish(CODE, Environment::Production, false, fingerprint()));
        let table = Arc::new((line, Marks::for_lines(1)));
        // Two users of one row, or of two rows of one line.
        let user = |row: usize| {
            let table = Arc::clone(&table);
            thread::spawn(move || table.1.count(0, &table.0[0].rows()[row], 1))
        };
        let users = [user(0), user(1)];
        let mut taken = 0;
        let mut take = || {
            table.1.drain_counts(&table.0, |code, uses| {
                assert_eq!(code, CODE);
                taken += uses;
            });
        };
        take();
        for user in users {
            user.join().unwrap();
        }
        take();
        assert_eq!((taken, table.1.marked()), (2, 0));
    });
}

/// A user who finds the count above zero sets no mark, since the first user's mark covers both.
#[test]
fn the_first_use_marks_the_line_for_those_that_follow() {
    loom::model(|| {
        let line = [Line::vacant()];
        line[0].rows()[0].publish(CODE, Environment::Production, false, fingerprint());
        let table = Arc::new((line, Marks::for_lines(1)));
        let user = || {
            let table = Arc::clone(&table);
            thread::spawn(move || table.1.count(0, &table.0[0].rows()[0], 1))
        };
        let users = [user(), user()];
        let mut taken = 0;
        let mut take = || table.1.drain_counts(&table.0, |_, uses| taken += uses);
        take();
        for user in users {
            user.join().unwrap();
        }
        take();
        assert_eq!((taken, table.1.marked()), (2, 0));
    });
}
