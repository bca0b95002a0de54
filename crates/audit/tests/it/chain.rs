//! Any change to the rows of a log is found, with its place and its kind.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use doorward_audit::{Action, Attribution, ChainError, ChainVerifier, Event, EventDraft, Hash, Reason};
use doorward_types::{Environment, Incarnation, OrganizationId, RequestId, Timestamp, altered};

fn draft(number: i64) -> EventDraft {
    EventDraft::new(
        &Attribution::local("ada".parse().unwrap()),
        Timestamp::from_millis(number),
        Action::AccessKeyStaged,
        format!("key_{number}"),
        (OrganizationId::from_u128(7), Environment::Test),
    )
}

fn log() -> Vec<Event> {
    let mut log: Vec<Event> = Vec::new();
    for number in 1..=9 {
        log.push(Event::following(
            log.last().map(|last| (last.sequence, last.hash)),
            Incarnation::FIRST,
            draft(number),
        ));
    }
    log
}

fn fault(log: &[Event]) -> Option<ChainError> {
    let mut chain = ChainVerifier::default();
    for (place, event) in log.iter().enumerate() {
        match chain.follow(event) {
            Ok(()) => {}
            Err(ChainError::Changed(_) | ChainError::Unlinked(_)) => {
                return Some(ChainVerifier::explain(event, &log[place + 1..]));
            }
            Err(other) => return Some(other),
        }
    }
    None
}

fn renumber(log: &mut [Event]) {
    (1..).zip(log).for_each(|(sequence, event)| event.sequence = sequence);
}

#[test]
fn an_intact_log_has_no_fault() {
    assert_eq!(fault(&log()), None);
    assert_eq!(fault(&[]), None);
}

#[test]
fn the_hash_covers_every_field() {
    let changes: &[fn(&mut Event)] = &[
        |event| event.draft.time = Timestamp::from_millis(77),
        |event| event.draft.actor = "eve".parse().unwrap(),
        |event| event.draft.action = Action::AccessKeyCreated,
        |event| event.draft.subject.push('x'),
        |event| event.incarnation = Incarnation(2),
        |event| event.draft.organization = OrganizationId::from_u128(8),
        |event| event.draft.environment = Environment::Production,
        |event| event.draft.source_address = Some([192, 0, 2, 1].into()),
        |event| event.draft.request_id = Some(RequestId::from_u128(1)),
        |event| event.draft.detail.name = Some("x".parse().unwrap()),
        |event| event.draft.detail.reason = Some(Reason::StoreRestored),
        |event| event.previous_hash = Some(Hash([1; 32])),
        |event| event.previous_hash = None,
        |event| event.hash = Some(Hash([1; 32])),
    ];
    for change in changes {
        for place in 1..9 {
            let mut log = log();
            change(&mut log[place]);
            assert_eq!(fault(&log), Some(ChainError::Changed(log[place].sequence)));
        }
    }
    let mut log = log();
    log[3].hash = None;
    assert_eq!(fault(&log), Some(ChainError::Unhashed(4)));
}

#[test]
fn missing_events_are_named() {
    for place in 0..8 {
        let mut gap = log();
        gap.remove(place);
        let number = place as u64 + 1;
        assert_eq!(fault(&gap), Some(ChainError::Missing { from: number, to: number }));
        renumber(&mut gap);
        assert_eq!(fault(&gap), Some(ChainError::Missing { from: number, to: number }), "renumbered");
    }
    let mut gap = log();
    gap.drain(2..5);
    assert_eq!(fault(&gap), Some(ChainError::Missing { from: 3, to: 5 }));
    renumber(&mut gap);
    assert_eq!(fault(&gap), Some(ChainError::Missing { from: 3, to: 5 }), "renumbered");
}

#[test]
fn swapped_and_inserted_events_are_named() {
    for (one, other) in [(0, 1), (2, 6), (0, 8)] {
        let mut swapped = log();
        swapped.swap(one, other);
        renumber(&mut swapped);
        assert_eq!(fault(&swapped), Some(ChainError::Swapped(one as u64 + 1, other as u64 + 1)));
    }
    for place in 0..8 {
        let mut crude = log();
        crude.insert(
            place,
            altered!(Event::following(None, Incarnation::FIRST, draft(99)), sequence: 0, hash: Some(Hash([3; 32]))),
        );
        renumber(&mut crude);
        assert_eq!(fault(&crude), Some(ChainError::Inserted(place as u64 + 1)));
        // An intact event is passed; the event after it does not fit.
        let mut whole = log();
        let before = place.checked_sub(1).map(|before| (whole[before].sequence, whole[before].hash));
        whole.insert(place, Event::following(before, Incarnation::FIRST, draft(99)));
        renumber(&mut whole);
        assert!(
            matches!(fault(&whole), Some(ChainError::Inserted(at)) if at == place as u64 + 2),
            "{:?}",
            fault(&whole)
        );
    }
}

#[test]
fn an_event_before_the_first_counts_as_inserted() {
    let mut log = log();
    log.insert(0, altered!(log[0].clone(), sequence: 0));
    assert_eq!(fault(&log), Some(ChainError::Inserted(0)));
}

#[test]
fn an_event_replaced_with_its_hash_is_found_at_the_next_event() {
    let mut log = log();
    log[4] = Event::following(Some((4, log[3].hash)), Incarnation::FIRST, draft(99));
    assert_eq!(fault(&log), Some(ChainError::Unlinked(6)));
}
