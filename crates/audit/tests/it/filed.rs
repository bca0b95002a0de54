//! Events are read back from every form in which they are written, and changes to a file are found.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use doorward_audit::{
    Action, Attribution, Detail, Event, EventDraft, ExportFormat, FiledEvent, FiledEventError, Hash, Reason,
    SecretSummary,
};
use doorward_types::{Environment, Incarnation, Name, OrganizationId, RequestId, SecretState, Timestamp, altered};
use std::net::IpAddr;

fn secret(locator: &str, state: SecretState) -> SecretSummary {
    SecretSummary::new(locator.parse().unwrap(), 3, state)
}

/// An event with every optional field, or without any.
fn event(action: Action, full: bool) -> Event {
    let draft = EventDraft::new(
        &Attribution::local("=cmd|'/c calc'!A0 東京 🔑".parse().unwrap())
            .with_source_address(full.then(|| "2001:db8::1".parse::<IpAddr>().unwrap()))
            .with_request_id(full.then(|| RequestId::from_u128(9))),
        Timestamp::from_millis(1_767_225_600_123),
        action,
        "key_01h455vb4pex5vsknk084sn02q \u{2028}\"\\".to_owned(),
        (OrganizationId::from_u128(7), if full { Environment::Production } else { Environment::Test }),
    )
    .with_detail(if full {
        Detail::default()
            .with_name("\"quoted\" \\ / é".parse::<Name>().unwrap())
            .with_origin("https://app.example.com".to_owned())
            .with_reason(Reason::StoreRestored)
            .with_before(vec![secret("4fG7hJ2kLm", SecretState::Current), secret("9aQ0000000", SecretState::Staged)])
            .with_after(vec![secret("9aQ0000000", SecretState::Current)])
    } else {
        Detail::default()
    });
    let previous = full.then_some((u64::from(u32::MAX), Some(Hash([0xab; 32]))));
    Event::following(previous, if full { Incarnation(3) } else { Incarnation::FIRST }, draft)
}

fn read(line: &str) -> FiledEvent {
    FiledEvent::from_line(line).unwrap()
}

#[test]
fn every_event_is_read_back_from_an_export_and_from_a_sink() {
    for action in Action::ALL {
        for full in [true, false] {
            let event = event(action, full);
            for line in [ExportFormat::Jsonl.line(&event), event.to_ocsf().to_string()] {
                let filed = read(&line);
                assert_eq!((filed.event, filed.hash_fits), (event.clone(), true), "{line}");
            }
            // A receiver that trusts its sender needs no more than serde.
            assert_eq!(serde_json::from_str::<Event>(&event.to_json_line()).unwrap(), event);
            assert_eq!(serde_json::from_value::<Event>(serde_json::to_value(&event).unwrap()).unwrap(), event);
        }
    }
}

#[test]
fn a_changed_line_is_read_and_marked_as_changed() {
    let event = event(Action::AccessKeyDeleted, true);
    for line in [event.to_json_line(), event.to_ocsf().to_string()] {
        let changed = read(&line.replace("access_key.deleted", "access_key.created"));
        assert!(!changed.hash_fits && changed.event.draft.action == Action::AccessKeyCreated, "{line}");
    }
    let unhashed = altered!(event, hash: None);
    assert!(!read(&unhashed.to_json_line()).hash_fits, "a chained event has a hash");
    assert!(read(&altered!(unhashed, previous_hash: None).to_json_line()).hash_fits, "from before logs were chained");
}

#[test]
fn a_field_of_a_newer_program_is_covered_by_the_hash() {
    let event = event(Action::OperatorCreated, false);
    let mut shown = serde_json::to_value(&event).unwrap();
    let fields = shown.as_object_mut().unwrap();
    fields.insert("actor_id".to_owned(), "op_1".into());
    assert!(!read(&serde_json::to_string(&fields).unwrap()).hash_fits);
    let hash = Event::hash_of_json(&serde_json::to_string(&fields).unwrap()).unwrap();
    fields.insert("hash".to_owned(), hash.to_string().into());
    assert!(read(&serde_json::to_string(&fields).unwrap()).hash_fits);
}

#[test]
fn a_line_that_is_not_an_event_is_refused() {
    let line = event(Action::OperatorCreated, true).to_json_line();
    for bad in ["", "sequence,time,actor", "{", line.get(..line.len() / 2).unwrap()] {
        assert!(matches!(FiledEvent::from_line(bad), Err(FiledEventError::NoJson(_))), "{bad}");
    }
    let changes = [
        ("[1]", "[1]"),
        ("null", "null"),
        ("\"sequence\":4294967296", "\"sequence\":-1"),
        ("\"sequence\":4294967296,", ""),
        ("org_", "key_"),
        ("\"time\":\"2026", "\"time\":\"year 2026"),
        ("4fG7hJ2kLm", "4fG7hJ2kL"),
        ("\"hash\":\"", "\"hash\":\"+"),
        ("\"current\"", "\"dead\""),
    ];
    for (part, changed) in changes {
        let bad = if line.contains(part) { line.replacen(part, changed, 1) } else { changed.to_owned() };
        assert!(matches!(FiledEvent::from_line(&bad), Err(FiledEventError::NoEvent(_))), "{bad}");
        assert!(serde_json::from_str::<Event>(&bad).is_err(), "{bad}");
    }
    let newer = line.replace("operator.created", "access_key.\\u001b[2Jquarantined");
    let error = FiledEvent::from_line(&newer).unwrap_err();
    assert!(matches!(&error, FiledEventError::UnknownAction(action) if !action.contains('\u{1b}')), "{error}");
}

#[test]
fn a_hash_has_only_one_text_form() {
    let hash = Hash([0x0f; 32]);
    assert_eq!(hash.to_string().parse(), Ok(hash));
    for bad in [String::new(), "0f".repeat(31), "0f".repeat(33), "0F".repeat(32), "0g".repeat(32), "é".repeat(32)] {
        assert!(bad.parse::<Hash>().is_err(), "{bad}");
    }
}
