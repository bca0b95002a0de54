//! Checks the OCSF format against an excerpt of the schema.
//!
//! `ocsf.json` has the types of the class Entity Management and of the objects that Doorward fills: the fields of the crate
//! ocsf-types 0.2.1 (MIT), which is generated from the schema. The crate itself compiles for a minute.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::net::IpAddr;

use doorward_audit::{Action, Attribution, Detail, Event, EventDraft, SecretSummary};
use doorward_types::{Environment, Incarnation, Name, OrganizationId, SecretState, Timestamp};
use serde_json::Value;

fn event(action: Action) -> Event {
    let secret = |generation| SecretSummary::new("4fG7hJ2kLm".parse().unwrap(), generation, SecretState::Current);
    let draft = EventDraft::new(
        &Attribution::local("ada".parse().unwrap()).with_source_address(IpAddr::from([192, 0, 2, 7])),
        Timestamp::from_millis(1_700_000_000_000),
        action,
        "key_01h455vb4pex5vsknk084sn02q".to_owned(),
        (OrganizationId::INSTALLATION, Environment::Production),
    )
    .with_detail(
        Detail::default()
            .with_name("ci".parse::<Name>().unwrap())
            .with_origin("https://app.example.com".to_owned())
            .with_before(vec![secret(1)])
            .with_after(vec![secret(2)]),
    );
    Event::following(None, Incarnation::FIRST, draft)
}

/// The types of the fields of each object.
type Schema = BTreeMap<String, BTreeMap<String, String>>;

/// The fields that only two extensions of the class require, which Doorward does not use.
const EXTENSIONS: [&str; 2] = ["cloud", "osint"];

/// Returns every field that breaks the schema, with its path.
fn faults(schema: &Schema, class: &str, path: &str, value: &Value) -> Vec<String> {
    let (Some(fields), Some(value)) = (schema.get(class), value.as_object()) else {
        return vec![format!("{path} is no {class}")];
    };
    let mut faults = Vec::new();
    for (name, value) in value {
        let path = format!("{path}.{name}");
        match fields.get(name).map(|of| of.trim_end_matches(", required")) {
            None => faults.push(format!("{path} is not in the schema")),
            Some("any") => {}
            Some("array") if value.is_array() => {}
            Some("boolean") if value.is_boolean() => {}
            Some("integer") if value.is_i64() => {}
            Some("object") if value.is_object() => {}
            Some("string") if value.is_string() => {}
            Some(of) if schema.contains_key(of) => faults.extend(self::faults(schema, of, &path, value)),
            Some(of) => faults.push(format!("{path} is no {of}: {value}")),
        }
    }
    let required = fields.iter().filter(|(_, of)| of.ends_with(", required")).map(|(name, _)| name.as_str());
    let missing = required.filter(|name| !EXTENSIONS.contains(name) && !value.contains_key(*name));
    faults.extend(missing.map(|name| format!("{path} lacks {name}")));
    faults
}

fn schema() -> Schema {
    serde_json::from_str(include_str!("ocsf.json")).unwrap()
}

#[test]
fn every_field_is_in_the_schema_with_its_type() {
    for action in Action::ALL {
        let mut shown = event(action).to_ocsf();
        assert_eq!(faults(&schema(), "EntityManagement", "event", &shown), [""; 0], "{action}");
        let number = |name: &str| shown[name].as_i64().unwrap();
        assert_eq!(number("type_uid"), number("class_uid") * 100 + number("activity_id"), "{action}");
        shown["actor"]["user"]["uid"] = 7.into();
        shown["metadata"].as_object_mut().unwrap().remove("product");
        shown["entity"]["nickname"] = "ci".into();
        let expected = [
            "event.actor.user.uid is no string: 7",
            "event.entity.nickname is not in the schema",
            "event.metadata lacks product",
        ];
        assert_eq!(faults(&schema(), "EntityManagement", "event", &shown), expected);
    }
}

/// A receiver of the OCSF format can still verify the chain.
#[test]
fn the_unmapped_part_contains_doorwards_own_format() {
    let event = event(Action::AccessKeyRegenerated);
    let shown = event.to_ocsf();
    let unmapped: &Value = shown.get("unmapped").unwrap();
    assert_eq!(Event::hash_of_json(&unmapped.to_string()), event.hash);
}
