//! The OCSF shape, as types that others generated from the schema read it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use doorward_audit::{Action, Detail, Event, EventDraft, SecretSummary};
use doorward_types::{Environment, Incarnation, OrganizationId, SecretState, Timestamp};
use ocsf_types::EntityManagement;
use serde_json::Value;

fn event(action: Action) -> Event {
    let secret =
        |generation| SecretSummary { locator: "4fG7hJ2kLm".parse().unwrap(), generation, state: SecretState::Current };
    let draft = EventDraft {
        time: Timestamp::from_millis(1_700_000_000_000),
        actor: "ada".parse().unwrap(),
        actor_id: None,
        action,
        subject: "key_01h455vb4pex5vsknk084sn02q".to_owned(),
        organization: OrganizationId::INSTALLATION,
        environment: Environment::Production,
        source_address: Some([192, 0, 2, 7].into()),
        request_id: None,
        detail: Detail {
            name: Some("ci".parse().unwrap()),
            origin: Some("https://app.example.com".to_owned()),
            reason: None,
            connector: None,
            identity: None,
            urls_before: vec![],
            urls_after: vec![],
            before: vec![secret(1)],
            after: vec![secret(2)],
        },
    };
    Event::following(None, Incarnation::FIRST, draft)
}

#[test]
fn others_types_read_every_field() {
    for action in Action::ALL {
        let ours = event(action).to_ocsf();
        let theirs: EntityManagement = serde_json::from_value(ours.clone()).unwrap();
        // What the schema does not know, or knows with another type, would be missing here. `unmapped` is ours.
        let back = serde_json::to_value(&theirs).unwrap();
        for (name, value) in ours.as_object().unwrap().iter().filter(|(name, _)| *name != "unmapped") {
            assert_eq!(back.get(name), Some(value), "{name} of {action}");
        }
        // Those that the schema requires of the class.
        let required = [theirs.activity_id, theirs.category_uid, theirs.class_uid, theirs.severity_id, theirs.time];
        assert!(required.iter().all(Option::is_some));
        assert_eq!(theirs.type_uid.unwrap(), theirs.class_uid.unwrap() * 100 + theirs.activity_id.unwrap());
        assert!(theirs.entity.is_some() && theirs.metadata.as_ref().unwrap().product.is_some());
    }
}

/// Whoever gets the OCSF form can still verify the chain.
#[test]
fn our_own_form_stands_in_it() {
    let event = event(Action::AccessKeyRegenerated);
    let shown = event.to_ocsf();
    let unmapped: &Value = shown.get("unmapped").unwrap();
    assert_eq!(Event::hash_of_json(&unmapped.to_string()), event.hash);
}
