//! The published vectors: `vectors.jsonl` has exported events, `vectors.note` has a checkpoint of them, and `vectors.vkey` has
//! its verifier key.
//! `UPDATE_GOLDEN=1` writes the files again. Published vectors never change.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use doorward_audit::{
    Action, Attribution, ChainVerifier, Checkpoint, Detail, Event, EventDraft, NoteKey, SecretSummary,
};
use std::net::IpAddr;

use doorward_types::{Environment, Incarnation, Name, RequestId, SecretState, Timestamp, altered};

fn events() -> Vec<Event> {
    let draft = EventDraft::new(
        &Attribution::local("ada".parse().unwrap()),
        Timestamp::from_millis(1_767_225_600_000),
        Action::AccessKeyCreated,
        "key_01h455vb4pex5vsknk084sn02q".to_owned(),
        ("org_01h455vb4pex5vsknk084sn02q".parse().unwrap(), Environment::Test),
    );
    let secret = |locator: &str, generation, state| SecretSummary::new(locator.parse().unwrap(), generation, state);
    let by = Attribution::local("=cmd|'/c calc'!A0".parse().unwrap())
        .with_source_address("2001:db8::1".parse::<IpAddr>().unwrap())
        .with_request_id(RequestId::from_u128(1));
    let log = (draft.organization, draft.environment);
    let detail = Detail::default()
        .with_name("\"quoted\" \\ / é 東京 🔑".parse::<Name>().unwrap())
        .with_before([secret("4fG7hJ2kLm", 1, SecretState::Current), secret("9aQ0000000", 2, SecretState::Staged)])
        .with_after([secret("9aQ0000000", 2, SecretState::Current)]);
    let hostile =
        EventDraft::new(&by, draft.time, Action::AccessKeyRegenerated, draft.subject.clone(), log).with_detail(detail);
    let mut events: Vec<Event> = Vec::new();
    for draft in [draft.clone(), hostile, altered!(draft, action: Action::AccessKeyDeleted)] {
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
fn the_published_vectors_are_valid() {
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
