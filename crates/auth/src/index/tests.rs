use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use doorward_store::{AccessKey, Secret};
use doorward_types::{AccessKeyId, OrganizationId, SecretState, altered};
use proptest::prelude::*;

use super::segment::SPLIT_ABOVE;
use super::*;

fn locator(number: u64) -> Locator {
    format!("{number:010}").parse().unwrap()
}

fn live(number: u64) -> ActiveSecret {
    ActiveSecret::new(
        Secret::new(
            SecretState::Current,
            locator(number),
            Digest::from_words([number, 1, 2, 3]),
            1,
            Timestamp::from_millis(0),
        ),
        AccessKey::new(
            OrganizationId::from_u128(1),
            if number.is_multiple_of(2) { Environment::Production } else { Environment::Test },
            AccessKeyId::from_u128(u128::from(number)),
            "a key".parse().unwrap(),
            Timestamp::from_millis(0),
            "ada".parse().unwrap(),
        ),
        "Acme".parse().unwrap(),
    )
}

fn accepts(index: &Index, number: u64) -> bool {
    let ActiveSecret { secret, key, .. } = live(number);
    let is = |digest, environment| {
        let now = |_| Ok::<_, std::convert::Infallible>(MonoInstant::ZERO);
        index.verify(secret.locator.as_bytes(), environment, || digest, now, |_| ()).unwrap().is_some()
    };
    let other = if key.environment == Environment::Test { Environment::Production } else { Environment::Test };
    assert!(!is(secret.digest, other), "the stored environment decides");
    assert!(!is(Digest::from_words([number, 1, 3, 3]), key.environment), "the digest decides");
    assert!(!is(Digest::from_words([0; 4]), key.environment));
    let accepted = is(secret.digest, key.environment);
    assert_eq!(accepted, index.identity(&secret.locator).is_some_and(|found| found.live.key.id == key.id));
    accepted
}

#[test]
fn a_hundred_thousand_secrets_are_found_through_every_split() {
    let index = Index::new(0x9E37_79B9_7F4A_7C15);
    for number in 0..100_000 {
        index.insert(live(number));
    }
    assert!((0..100_000).all(|number| accepts(&index, number)));
    assert!(!(100_000..110_000).any(|number| accepts(&index, number)));
    for number in (0..100_000).step_by(3) {
        index.remove(&locator(number));
    }
    assert!((0..100_000).all(|number| accepts(&index, number) == (number % 3 != 0)));
    let directory = index.directory.load();
    assert!(directory.places().iter().all(|segment| segment.active_rows() <= SPLIT_ABOVE + 1));
}

#[test]
fn a_draft_takes_the_place_of_all_that_was_there() {
    for count in [0, 1, 4_096, 4_700, 100_000] {
        let index = Index::new(11);
        index.insert(live(1_000_000));
        let mut draft = index.draft();
        (0..count).for_each(|number| draft.insert(live(number)));
        index.replace_with(draft);
        assert!((0..count).all(|number| accepts(&index, number)));
        assert!(!accepts(&index, 1_000_000));
        let directory = index.directory.load();
        let rows: usize = directory.distinct().map(Segment::rows).sum();
        assert!(rows as u64 <= count * 3 / 2 + 16 * directory.places().len() as u64, "{rows} rows for {count}");
        // The table then works like any other.
        (count..count + 10_000).for_each(|number| index.insert(live(number)));
        assert!((0..count + 10_000).all(|number| accepts(&index, number)));
    }
}

#[test]
fn rows_of_dead_secrets_are_used_again() {
    let index = Index::new(1);
    for number in 0..200_000 {
        index.insert(live(number));
        if number >= 10 {
            index.remove(&locator(number - 10));
        }
    }
    assert!((199_990..200_000).all(|number| accepts(&index, number)));
    let rows: usize = index.directory.load().distinct().map(Segment::rows).sum();
    assert!(rows < 100, "{rows} rows for 10 secrets");
}

#[test]
fn uses_are_counted_per_key_and_taken_once() {
    let index = Index::new(5);
    for number in 0..10_000 {
        index.insert(live(number));
    }
    let used = |number: u64, at: Duration| {
        let ActiveSecret { secret, key, .. } = live(number);
        let now = |_| Ok::<_, std::convert::Infallible>(MonoInstant::ZERO + at);
        assert!(
            index.verify(secret.locator.as_bytes(), key.environment, || secret.digest, now, |_| ()).unwrap().is_some()
        );
    };
    // A single use is visible at once.
    used(7, Duration::from_secs(1));
    assert_eq!(index.drain_counts(), [(locator(7), 1)]);
    assert_eq!(index.drain_counts(), []);
    // Many uses are added together, at the key's next use after the epoch.
    for _ in 0..1_000 {
        used(7, Duration::from_secs(1));
    }
    used(7, Duration::from_secs(2));
    assert_eq!(index.drain_counts(), [(locator(7), 1_001)]);
    // Every key is counted, although keys share slots and segments are rebuilt.
    for number in 0..10_000 {
        used(number, Duration::from_secs(3));
    }
    for number in 10_000..40_000 {
        index.insert(live(number));
    }
    let mut uses = index.drain_counts();
    uses.sort_unstable();
    assert_eq!(uses, (0..10_000).map(|number| (locator(number), 1)).collect::<Vec<_>>());
}

#[test]
fn what_is_known_of_a_secret_can_change_while_it_lives() {
    let index = Index::new(5);
    index.insert(live(7));
    let renamed = altered!(live(7), organization_name: "Acme Inc".parse().unwrap());
    index.insert(renamed.clone());
    assert!(accepts(&index, 7));
    assert_eq!(index.identity(&locator(7)).unwrap().live, renamed);
    index.remove(&locator(7));
    assert!(!accepts(&index, 7));
}

proptest! {
    #[test]
    fn the_table_agrees_with_a_map(
        seed in any::<u64>(),
        steps in prop::collection::vec((any::<bool>(), 0..300_u64), 1..2_000),
    ) {
        let (index, mut map) = (Index::new(seed), BTreeMap::new());
        for (insert, number) in steps {
            if insert {
                index.insert(live(number));
                map.insert(number, ());
            } else {
                index.remove(&locator(number));
                map.remove(&number);
            }
        }
        for number in 0..300 {
            prop_assert_eq!(accepts(&index, number), map.contains_key(&number));
        }
    }
}

#[test]
fn readers_see_whole_rows_while_a_writer_works() {
    let index = Index::new(7);
    let newest = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1..60_000 {
                index.insert(live(number));
                if number > 100 {
                    index.remove(&locator(number - 100));
                }
                newest.store(number, Ordering::Release);
            }
        });
        scope.spawn(|| {
            let mut seen = 0;
            while seen < 59_999 {
                seen = newest.load(Ordering::Acquire);
                if seen > 100 {
                    assert!(!accepts(&index, seen - 100), "withdrawn before the number was published");
                }
                // It may be removed by now. If it is found, it is complete.
                if let Some(identity) = index.identity(&locator(seen)) {
                    assert_eq!(identity.live.secret.locator, locator(seen));
                }
            }
        });
    });
}

/// Verifies once, at this time.
fn used_at(index: &Index, number: u64, at: Duration) -> bool {
    let ActiveSecret { secret, key, .. } = live(number);
    let now = |_| Ok::<_, std::convert::Infallible>(MonoInstant::ZERO + at);
    index.verify(secret.locator.as_bytes(), key.environment, || secret.digest, now, |_| ()).unwrap().is_some()
}

/// Returns a live secret, staged or current. A promotion writes it again with the other state.
fn staged(number: u64, is_staged: bool) -> ActiveSecret {
    let mut staged = live(number);
    staged.secret.state = if is_staged { SecretState::Staged } else { SecretState::Current };
    staged
}

#[test]
fn a_live_secret_is_never_refused_while_its_record_changes() {
    const CHANGES: u64 = 2_000_000;
    let index = Index::new(7);
    index.insert(live(7));
    let done = AtomicBool::new(false);
    let refused = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut refused = 0_u64;
            while !done.load(Ordering::Relaxed) {
                refused += u64::from(!used_at(&index, 7, Duration::ZERO));
                refused += u64::from(index.identity(&locator(7)).is_none());
            }
            refused
        });
        (0..CHANGES).for_each(|number| index.insert(staged(7, number % 2 == 0)));
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    assert_eq!(refused, 0);
}

/// The order of `Node::refresh` and `Verifier::verify`, with the whole table instead of loom's one row.
#[test]
fn a_verification_that_begins_after_a_death_was_published_refuses() {
    const DEATHS: u64 = 300_000;
    let index = Index::new(7);
    index.insert(live(7));
    let dead = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..DEATHS {
                // Its record changes, which leaves an old row, and it is revoked.
                index.insert(staged(7 + number, true));
                index.insert(live(8 + number));
                index.remove(&locator(7 + number));
                dead.store(8 + number, Ordering::Release);
            }
        });
        loop {
            let before = dead.load(Ordering::Acquire);
            assert!(before == 0 || !used_at(&index, before - 1, Duration::ZERO));
            if before == 7 + DEATHS {
                break;
            }
        }
    });
}

#[test]
fn only_lines_that_were_used_are_marked() {
    let index = Index::new(5);
    (0..100_000).for_each(|number| index.insert(live(number)));
    let marked = || index.directory.load().distinct().map(Segment::marked_lines).sum::<u32>();
    assert_eq!(marked(), 0);
    for second in 1..=3 {
        for number in [7, 70_000, 77_777] {
            assert!(used_at(&index, number, Duration::from_secs(second)));
        }
    }
    assert!((1..=3).contains(&marked()));
    index.restore_counts(&[(locator(500), 2), (locator(100_001), 2)]);
    assert!((1..=4).contains(&marked()));
    let mut uses = index.drain_counts();
    uses.sort_unstable();
    assert_eq!(uses, [(locator(7), 3), (locator(500), 2), (locator(70_000), 3), (locator(77_777), 3)]);
    assert_eq!(marked(), 0);
    assert_eq!(index.drain_counts(), []);
}

#[test]
fn uses_survive_changes_of_the_record_and_of_the_table_and_are_told_once() {
    let index = Index::new(5);
    (0..10).for_each(|number| index.insert(live(number)));
    assert!(used_at(&index, 4, Duration::from_secs(1)));
    index.insert(staged(4, true));
    assert!(used_at(&index, 4, Duration::from_secs(2)));
    // Both rows of the secret were used.
    assert_eq!(index.drain_counts(), [(locator(4), 2)]);
    assert!(used_at(&index, 4, Duration::from_secs(3)));
    let mut draft = index.draft();
    (0..10).for_each(|number| draft.insert(live(number)));
    index.replace_with(draft);
    assert!(used_at(&index, 4, Duration::from_secs(4)));
    assert_eq!(index.drain_counts(), [(locator(4), 2)]);
    // Freeing keeps the uses too.
    assert!(used_at(&index, 5, Duration::from_secs(5)));
    let mut draft = index.draft();
    (0..10).for_each(|number| draft.insert(live(number)));
    index.replace_with(draft);
    assert!(used_at(&index, 6, Duration::from_secs(6)));
    while index.free_replaced() {}
    assert_eq!(index.writer().replaced.len(), 0);
    let mut uses = index.drain_counts();
    uses.sort_unstable();
    assert_eq!(uses, [(locator(5), 1), (locator(6), 1)]);
}

#[test]
fn no_use_is_lost_while_rows_move() {
    const USES: u64 = 200_000;
    const KEYS: u64 = 64;
    let index = Index::new(3);
    (0..KEYS).for_each(|number| index.insert(live(number)));
    let users_left = AtomicU64::new(2);
    // Each use has its own epoch, so that the thread keeps no use back. A refusal must not end the thread: the other
    // threads wait for its last use.
    let is_accepted = |number: &u64| used_at(&index, number % KEYS, Duration::from_secs(number + 1));
    let (accepted, taken) = std::thread::scope(|scope| {
        let user = || {
            let accepted = (0..USES).filter(is_accepted).count() as u64;
            users_left.fetch_sub(1, Ordering::Release);
            accepted
        };
        let users = [scope.spawn(user), scope.spawn(user)];
        let writer = scope.spawn(|| {
            let mut round = 0;
            while users_left.load(Ordering::Acquire) > 0 {
                round += 1;
                // Records change, segments are rebuilt and split, tables are replaced.
                (0..KEYS).for_each(|number| index.insert(staged(number, round % 2 == 0)));
                (0..100).for_each(|number| index.insert(live(KEYS + (round * 100 + number) % 20_000)));
                if round % 50 == 0 {
                    let mut draft = index.draft();
                    (0..KEYS).for_each(|number| draft.insert(live(number)));
                    index.replace_with(draft);
                }
                index.free_replaced();
            }
        });
        let mut taken = 0;
        while users_left.load(Ordering::Acquire) > 0 {
            taken += index.drain_counts().iter().map(|(_, count)| u64::from(*count)).sum::<u64>();
        }
        writer.join().unwrap();
        (users.map(|user| user.join().unwrap()).iter().sum::<u64>(), taken)
    });
    assert_eq!(accepted, 2 * USES);
    let left: u64 = index.drain_counts().iter().map(|(_, count)| u64::from(*count)).sum();
    assert_eq!(taken + left, accepted);
    // The threads have ended, so nothing holds the replaced segments.
    while index.free_replaced() {}
    assert_eq!(index.writer().replaced.len(), 0);
    assert_eq!(index.drain_counts(), []);
}

#[test]
fn replaced_segments_are_freed_once_no_thread_reaches_them() {
    let index = &Index::new(3);
    let draft = || {
        let mut draft = index.draft();
        (0..100_000).for_each(|number| draft.insert(live(number)));
        while draft.trim() {}
        draft
    };
    let replaced_rows = || {
        while index.free_replaced() {}
        index.writer().replaced.iter().map(Segment::rows).sum::<usize>()
    };
    index.insert(live(0));
    std::thread::scope(|scope| {
        // A thread that reads the table on request.
        let (look, looks) = std::sync::mpsc::channel::<()>();
        let (has_looked, seen) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || {
            for () in looks {
                assert!(used_at(index, 0, Duration::ZERO));
                has_looked.send(()).unwrap();
            }
        });
        let look = || {
            look.send(()).unwrap();
            seen.recv().unwrap();
        };
        look();
        // The thread's view holds the first directory, which has the first segment.
        (1..100_000).for_each(|number| index.insert(live(number)));
        assert!(index.writer().replaced.len() <= 2 && index.writer().replaced_directories.len() <= 2);
        assert!((1..100).contains(&replaced_rows()));
        look();
        assert_eq!(replaced_rows(), 0);
        // A whole table.
        assert!(used_at(index, 0, Duration::ZERO));
        index.replace_with(draft());
        assert!(replaced_rows() > 100_000, "a thread still looks at the old table");
        look();
        assert_eq!(replaced_rows(), 0, "this thread let go of the old table, though it does not look at the new one");
        assert!(index.writer().replaced_directories.is_empty());
    });
}

/// A secret with any of the facts that decide whether it is counted.
fn any_active() -> impl Strategy<Value = ActiveSecret> {
    (0..40_u64, any::<bool>(), 0..50_i64).prop_map(|(number, is_staged, millis)| {
        let mut live = staged(number, is_staged);
        live.secret.created_at = Timestamp::from_millis(millis);
        live.key.organization = OrganizationId::from_u128(u128::from(number));
        live
    })
}

proptest! {
    #[test]
    fn production_secrets_are_counted_as_rows_change(
        steps in prop::collection::vec((0..20_u8, any_active()), 1..300),
    ) {
        let (index, mut map) = (Index::new(9), BTreeMap::new());
        for (kind, live) in steps {
            match kind {
                0 => {
                    // A table with half of the secrets.
                    map.retain(|number: &u64, _| number.is_multiple_of(2));
                    let mut draft = index.draft();
                    map.values().for_each(|live: &ActiveSecret| draft.insert(live.clone()));
                    // A page of a load may repeat a secret, in its newer state.
                    if let Some((number, known)) = map.iter_mut().next() {
                        *known = altered!(known.clone(), secret: live.secret);
                        known.secret.locator = locator(*number);
                        draft.insert(known.clone());
                    }
                    index.replace_with(draft);
                }
                1..6 => {
                    index.remove(&live.secret.locator);
                    map.remove(&(live.key.id.as_u128() as u64));
                }
                _ => {
                    index.insert(live.clone());
                    map.insert(live.key.id.as_u128() as u64, live);
                }
            }
            for millis in [0, 10, 25, 49] {
                let time = Timestamp::from_millis(millis);
                let due = map.values().filter(|live| {
                    live.key.environment == Environment::Production
                        && live.secret.state == SecretState::Current
                        && live.secret.created_at <= time
                });
                let (count, oldest) = index.production_secrets_until(time);
                prop_assert_eq!(count, due.clone().count() as u64);
                let created_at = |live: &ActiveSecret| live.secret.created_at;
                prop_assert_eq!(oldest.as_ref().map(|it| created_at(&it.live)), due.clone().map(created_at).min());
                prop_assert!(oldest.is_none_or(|oldest| due.clone().any(|live| *live == oldest.live)));
            }
        }
    }
}
