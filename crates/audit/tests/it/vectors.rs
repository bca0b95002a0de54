//! The published vectors: `vectors.jsonl` has events as an export has them, `vectors.note` a checkpoint of them, and
//! `vectors.vkey` what verifies it.
//! `UPDATE_GOLDEN=1` writes them again; what was published is never changed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use doorward_audit::{Action, ChainVerifier, Checkpoint, Detail, Event, EventDraft, NoteKey, SecretSummary};
use doorward_types::{Environment, Incarnation, RequestId, SecretState, Timestamp};

fn events() -> Vec<Event> {
    let draft = EventDraft {
        time: Timestamp::from_millis(1_767_225_600_000),
        actor: "ada".parse().unwrap(),
        actor_id: None,
        action: Action::AccessKeyCreated,
        subject: "key_01h455vb4pex5vsknk084sn02q".to_owned(),
        organization: "org_01h455vb4pex5vsknk084sn02q".parse().unwrap(),
        environment: Environment::Test,
        source_address: None,
        request_id: None,
        detail: Detail::default(),
    };
    let secret =
        |locator: &str, generation, state| SecretSummary { locator: locator.parse().unwrap(), generation, state };
    let hostile = EventDraft {
        actor: "=cmd|'/c calc'!A0".parse().unwrap(),
        actor_id: None,
        action: Action::AccessKeyRegenerated,
        source_address: Some("2001:db8::1".parse().unwrap()),
        request_id: Some(RequestId::from_u128(1)),
        detail: Detail {
            name: Some("\"quoted\" \\ / é 東京 🔑".parse().unwrap()),
            origin: None,
            reason: None,
            connector: None,
            identity: None,
            urls_before: vec![],
            urls_after: vec![],
            before: vec![secret("4fG7hJ2kLm", 1, SecretState::Current), secret("9aQ0000000", 2, SecretState::Staged)],
            after: vec![secret("9aQ0000000", 2, SecretState::Current)],
        },
        ..draft.clone()
    };
    let mut events: Vec<Event> = Vec::new();
    for draft in [draft.clone(), hostile, EventDraft { action: Action::AccessKeyDeleted, ..draft }] {
        events.push(Event::following(events.last().map(|last| (last.sequence, last.hash)), Incarnation::FIRST, draft));
    }
    events
}

fn golden(name: &str, made: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, made).unwrap();
    }
    assert_eq!(made, std::fs::read_to_string(&path).unwrap(), "{}", path.display());
}

#[test]
fn the_published_vectors_hold() {
    let events = events();
    let lines: String = events.iter().map(|event| serde_json::to_string(event).unwrap() + "\n").collect();
    golden("vectors.jsonl", &lines);
    let mut chain = ChainVerifier::default();
    events.iter().for_each(|event| chain.follow(event).unwrap());
    let origin = Checkpoint::origin_of(events.first().unwrap().draft.organization, Environment::Test);
    let key: NoteKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".parse().unwrap();
    golden("vectors.note", &chain.end(origin.clone()).unwrap().sign(&key).unwrap());
    golden("vectors.vkey", &format!("{}\n", key.verifier(&origin)));
    golden("vectors.pruned.note", &chain.prune(&origin, &key).unwrap().unwrap().note);
}
