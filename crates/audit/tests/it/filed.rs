//! An event is read back from every form in which it goes out, and what was changed in a file is seen.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use doorward_audit::{
    Action, Detail, Event, EventDraft, ExportFormat, FiledEvent, FiledEventError, Hash, Reason, SecretSummary,
};
use doorward_types::{Environment, Incarnation, OrganizationId, RequestId, SecretState, Timestamp};

fn secret(locator: &str, state: SecretState) -> SecretSummary {
    SecretSummary { locator: locator.parse().unwrap(), generation: 3, state }
}

/// An event with every field filled, or with none that can be left out.
fn event(action: Action, full: bool) -> Event {
    let draft = EventDraft {
        time: Timestamp::from_millis(1_767_225_600_123),
        actor: "=cmd|'/c calc'!A0 東京 🔑".parse().unwrap(),
        actor_id: None,
        action,
        subject: "key_01h455vb4pex5vsknk084sn02q \u{2028}\"\\".to_owned(),
        organization: OrganizationId::from_u128(7),
        environment: if full { Environment::Production } else { Environment::Test },
        source_address: full.then(|| "2001:db8::1".parse().unwrap()),
        request_id: full.then(|| RequestId::from_u128(9)),
        detail: if full {
            Detail {
                name: Some("\"quoted\" \\ / é".parse().unwrap()),
                origin: Some("https://app.example.com".to_owned()),
                reason: Some(Reason::StoreRestored),
                before: vec![secret("4fG7hJ2kLm", SecretState::Current), secret("9aQ0000000", SecretState::Staged)],
                after: vec![secret("9aQ0000000", SecretState::Current)],
                connector: None,
                identity: None,
                urls_before: vec![],
                urls_after: vec![],
            }
        } else {
            Detail::default()
        },
    };
    let previous = full.then_some((u64::from(u32::MAX), Some(Hash([0xab; 32]))));
    Event::following(previous, if full { Incarnation(3) } else { Incarnation::FIRST }, draft)
}

fn read(line: &str) -> FiledEvent {
    FiledEvent::from_line(line).unwrap()
}

#[test]
fn every_event_comes_back_from_an_export_and_from_a_sink() {
    for action in Action::ALL {
        for full in [true, false] {
            let event = event(action, full);
            for line in [ExportFormat::Jsonl.line(&event), event.to_ocsf().to_string()] {
                assert_eq!(read(&line), FiledEvent { event: event.clone(), hash_fits: true }, "{line}");
            }
        }
    }
}

#[test]
fn a_line_that_was_changed_is_read_and_said_to_be_changed() {
    let event = event(Action::AccessKeyDeleted, true);
    for line in [event.to_json_line(), event.to_ocsf().to_string()] {
        let changed = read(&line.replace("access_key.deleted", "access_key.created"));
        assert!(!changed.hash_fits && changed.event.draft.action == Action::AccessKeyCreated, "{line}");
    }
    let unhashed = Event { hash: None, ..event };
    assert!(!read(&unhashed.to_json_line()).hash_fits, "a chained event has a hash");
    assert!(read(&Event { previous_hash: None, ..unhashed }.to_json_line()).hash_fits, "from before logs were chained");
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
fn what_is_no_event_is_refused() {
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
    }
    let newer = line.replace("operator.created", "access_key.\\u001b[2Jquarantined");
    let error = FiledEvent::from_line(&newer).unwrap_err();
    assert!(matches!(&error, FiledEventError::UnknownAction(action) if !action.contains('\u{1b}')), "{error}");
}

#[test]
fn a_hash_has_one_form() {
    let hash = Hash([0x0f; 32]);
    assert_eq!(hash.to_string().parse(), Ok(hash));
    for bad in [String::new(), "0f".repeat(31), "0f".repeat(33), "0F".repeat(32), "0g".repeat(32), "é".repeat(32)] {
        assert!(bad.parse::<Hash>().is_err(), "{bad}");
    }
}
