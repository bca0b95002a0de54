//! The audit logs over HTTP: complete exports and signed checkpoints.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use doorward::audit::{ChainVerifier, Checkpoint, Event, FiledEvent, NoteKey, NoteVerifier};
use serde_json::{Value, json};

use crate::support::{self, Answer, Server};

const BINARY: &str = env!("CARGO_BIN_EXE_doorward-server");

fn world(options: &[&str]) -> (Server, String, String) {
    let server = Server::start_with(BINARY.as_ref(), options);
    let operator = server.operator("ada");
    let organization = server.call(&server.production_key, "GET", "/v1/whoami", None).text("/organization/id");
    (server, operator, format!("/v1/organizations/{organization}/audit-events"))
}

fn lines(answer: &Answer) -> Vec<Value> {
    answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_export_is_the_whole_log_and_its_last_event() {
    let (server, operator, log) = world(&[]);
    let keys = log.replace("audit-events", "access-keys");
    for name in ["ci", "=1+1", "a,b\\\"c"] {
        let body = format!(r#"{{"name":"{name}"}}"#);
        assert_eq!(server.call(&operator, "POST", &keys, Some(&body)).status, 201);
    }
    let export = server.call(&operator, "GET", &format!("{log}/export?environment=test"), None);
    assert_eq!((export.status, export.headers["content-type"].as_str()), (200, "application/jsonl"));
    assert!(export.headers["content-disposition"].ends_with("-test.jsonl\""), "{export:?}");
    assert_eq!(export.headers["cache-control"], "no-store");
    let events = lines(&export);
    assert_eq!(events.iter().map(|event| event["sequence"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4]);
    for (line, event) in export.body.lines().zip(&events) {
        assert_eq!(Event::hash_of_json(line).unwrap().to_string(), event["hash"].as_str().unwrap());
    }
    assert_eq!((events[3]["action"].as_str(), events[3]["actor"].as_str()), (Some("audit_log.exported"), Some("ada")));
    assert_eq!(events[3]["request_id"].as_str(), Some(export.headers["x-request-id"].as_str()));

    let csv = server.call(&operator, "GET", &format!("{log}/export?environment=test&format=csv"), None);
    assert_eq!((csv.status, csv.headers["content-type"].as_str()), (200, "text/csv; charset=utf-8; header=present"));
    let rows: Vec<&str> = csv.body.lines().collect();
    assert!(rows[0].starts_with("sequence,time,actor,action,"), "{csv:?}");
    assert_eq!(rows.len(), 6);
    assert!(rows[2].contains(",'=1+1,"), "{csv:?}");
    // The other log contains neither.
    let production = lines(&server.call(&operator, "GET", &format!("{log}/export?environment=production"), None));
    assert!(production.iter().all(|event| event["environment"] == "production"));

    for (query, why) in [
        ("", "say which log"),
        ("?environment=staging", "environment"),
        ("?environment=test&format=xml", "`jsonl` or `csv`"),
        ("?environment=test&limit=5", "no pages"),
        ("?environment=test&environment=test", "each at most once"),
    ] {
        let refused = server.call(&operator, "GET", &format!("{log}/export{query}"), None);
        assert_eq!(refused.status, 400);
        assert!(refused.text("/detail").contains(why), "{query}: {refused:?}");
    }
}

/// A read failure must not look like the end of the log.
#[test]
fn a_failed_export_breaks_off() {
    let (server, operator, log) = world(&[]);
    let store = rusqlite::Connection::open(server.store()).unwrap();
    store
        .execute("UPDATE audit_events SET action = 'a' WHERE environment = 'production' AND sequence = 2", [])
        .unwrap();
    let path = format!("GET {log}/export?environment=production HTTP/1.1\r\n");
    let request = format!("{path}Host: x\r\nConnection: close\r\nAuthorization: Bearer {operator}\r\n\r\n");
    // Without its last chunk, it is not an answer.
    assert!(server.send_bytes(request.as_bytes()).is_none());
}

#[test]
fn a_checkpoint_is_signed_with_the_key_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let (server, operator, log) = world(&["--signing-key-file", &support::signing_key(folder.path())]);
    let checkpoint = || server.call(&operator, "GET", &format!("{log}/checkpoint?environment=production"), None);
    let first = checkpoint();
    assert_eq!(first.status, 200, "{first:?}");
    let verifier: NoteVerifier = first.text("/verifier_key").parse().unwrap();
    let opened = Checkpoint::open(&first.text("/checkpoint"), &verifier).unwrap();
    assert_eq!((opened.size, opened.origin), (2, first.text("/origin")));
    assert_eq!(NoteKey::from_seed(&[7; 32].into()).verifier(&first.text("/origin")).to_string(), verifier.to_string());

    // A log with tampered events gets no checkpoint.
    let store = rusqlite::Connection::open(server.store()).unwrap();
    store
        .execute("UPDATE audit_events SET actor = 'eve' WHERE environment = 'production' AND sequence = 1", [])
        .unwrap();
    let refused = checkpoint();
    assert_eq!(refused.status, 409);
    assert!(refused.text("/detail").starts_with("event 1 was changed"), "{refused:?}");
}

/// A key must have signed the prune of missing events. Otherwise a writer of the store gets no checkpoint over them.
#[test]
fn no_checkpoint_covers_events_without_a_proof_of_their_prune() {
    let folder = tempfile::tempdir().unwrap();
    let (server, operator, log) = world(&["--signing-key-file", &support::signing_key(folder.path())]);
    let checkpoint = || server.call(&operator, "GET", &format!("{log}/checkpoint?environment=production"), None);
    let genuine = checkpoint().text("/checkpoint");
    let export = server.call(&operator, "GET", &format!("{log}/export?environment=production"), None);
    let mut chain = ChainVerifier::default();
    for line in export.body.lines().take(2) {
        chain.follow(&FiledEvent::from_line(line).unwrap().event).unwrap();
    }
    let name = checkpoint().text("/origin");
    let other = chain.prune(&name, &NoteKey::from_seed(&[8; 32].into())).unwrap().unwrap();
    let own = chain.prune(&name, &NoteKey::from_seed(&[7; 32].into())).unwrap().unwrap();
    let store = rusqlite::Connection::open(server.store()).unwrap();
    let in_log = "environment = 'production' AND organization <> 'org_00000000000000000000000000'";
    store.execute_batch("CREATE TABLE kept AS SELECT * FROM audit_events").unwrap();
    let peaks = own.peaks.iter().flat_map(|peak| peak.0).collect::<Vec<u8>>();
    for (note, why) in [
        (&genuine, "does not prove that they were pruned"),
        (&other.note, "none of the given keys has signed"),
        // The statement is genuine, but the event is missing.
        (&own.note, "no event records that they were pruned"),
    ] {
        let insert = format!(
            "INSERT INTO pruned_logs SELECT organization, environment, 2, ?1, ?2, ?3 FROM audit_events WHERE {in_log} AND sequence = 1"
        );
        store.execute(&insert, rusqlite::params![own.last_hash.0, peaks, note]).unwrap();
        store.execute_batch(&format!("DELETE FROM audit_events WHERE {in_log} AND sequence <= 2")).unwrap();
        let refused = checkpoint();
        assert_eq!((refused.status, refused.code().as_str()), (409, "conflict"));
        assert!(refused.text("/detail").contains(why), "{refused:?}");
        store
            .execute_batch(
                "DELETE FROM pruned_logs; DELETE FROM audit_events; INSERT INTO audit_events SELECT * FROM kept",
            )
            .unwrap();
    }
    assert_eq!(checkpoint().status, 200);
    // A deleted log gets no checkpoint either.
    store.execute_batch(&format!("DELETE FROM audit_events WHERE {in_log}")).unwrap();
    let refused = checkpoint();
    assert!(refused.status == 409 && refused.text("/detail").contains("the log is missing"), "{refused:?}");
}

#[test]
fn without_a_key_there_is_no_checkpoint_and_the_error_names_the_cure() {
    let (server, operator, log) = world(&[]);
    let refused = server.call(&operator, "GET", &format!("{log}/checkpoint?environment=test"), None);
    assert_eq!((refused.status, refused.code().as_str()), (501, "not_configured"));
    assert!(refused.text("/detail").contains("doorward audit keygen"));
}

/// Covers all uses of a stolen token and a stolen key.
#[test]
fn every_change_of_access_is_in_the_audit_trail() {
    let server = Server::start(env!("CARGO_BIN_EXE_doorward-server").as_ref());
    let (operator, key) = (server.operator("mallory"), server.production_key.clone());
    let me = server.call(&key, "GET", "/v1/whoami", None);
    let (organization, actor) = (me.text("/organization/id"), me.text("/key/id"));
    let connector = format!("/v1/organizations/{organization}/connectors/crm?environment=production");
    for url in ["https://crm.example.com/?secret=1", "https://evil.example.com/"] {
        let settings = json!({"upstream": {"protocol": "http", "url": url}}).to_string();
        assert_eq!(server.call(&operator, "PUT", &connector, Some(&settings)).status, 204);
    }
    let user = server.call(&key, "POST", "/v1/registered-users", Some(r#"{"origin_user_id":"u1"}"#)).text("/id");
    let credential = format!("/v1/registered-users/{user}/credentials/crm");
    let path = format!("/v1/registered-users/{user}");
    assert_eq!(server.call(&key, "PUT", &credential, Some(r#"{"secret":"hunter2"}"#)).status, 204);
    for (credential_of, method, path) in
        [(&key, "DELETE", &credential), (&key, "DELETE", &path), (&operator, "DELETE", &connector)]
    {
        assert_eq!(server.call(credential_of, method, path, None).status, 204);
        // A repeated request adds no event.
        assert_eq!(server.call(credential_of, method, path, None).status, 404);
    }
    let events = server.call(&key, "GET", "/v1/audit-events", None).json();
    let told: Vec<_> = events["data"].as_array().unwrap().iter().rev().skip(2).collect();
    let actions: Vec<_> = told.iter().map(|event| event["action"].as_str().unwrap()).collect();
    let first = &events["data"].as_array().unwrap().last().unwrap();
    assert_eq!((&first["actor"], &first["actor_id"]), (&json!("doorward-server"), &json!("server")));
    let expected =
        ["connector.put", "connector.put", "credential.put", "credential.removed", "registered_user.deleted"];
    assert_eq!(actions, [&expected[..], &["connector.removed"]].concat());
    assert_eq!(told[0]["detail"]["urls_after"], json!(["https://crm.example.com/"]));
    assert_eq!(told[1]["detail"]["urls_before"], told[0]["detail"]["urls_after"]);
    assert_eq!(told[1]["detail"]["urls_after"], json!(["https://evil.example.com/"]));
    for (number, event) in told.iter().enumerate() {
        let by = if (2..5).contains(&number) { actor.as_str() } else { "mallory" };
        assert_eq!((&event["actor"], &event["source_address"]), (&json!(by), &json!("127.0.0.1")), "{event}");
        let id = event["actor_id"].as_str().unwrap();
        assert!(if by == "mallory" { id.starts_with("op_") } else { id == by }, "{event}");
        assert!(event["request_id"].is_string(), "{event}");
    }
    assert_eq!((&told[2]["subject"], &told[2]["detail"]["connector"]), (&json!(user), &json!("crm")));
    assert_eq!(server.call("dwo_guessed", "GET", "/v1/organizations", None).status, 401);
    let metrics = server.scrape();
    assert!(metrics.contains("doorward_operator_refusals_total 1"), "{metrics}");
    let text = serde_json::to_string(&events).unwrap();
    assert!(!text.contains("hunter2") && !text.contains("secret=1"));
}
