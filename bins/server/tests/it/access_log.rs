//! The access log of a real server, and the metrics beside it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{self, Server};

const BINARY: &str = env!("CARGO_BIN_EXE_doorward-server");

/// Returns the access log's lines so far.
fn lines(server: &Server) -> Vec<Value> {
    let output = server.output.lock().unwrap().clone();
    let objects = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    objects.filter(|line| line["duration_ms"].is_number()).collect()
}

#[test]
fn the_access_log_names_who_asked_for_what_and_never_a_secret() {
    let options = ["--access-log", "json", "--trusted-proxies", "127.0.0.1"];
    let server = Server::start_with(Path::new(BINARY), &options);
    let key = server.production_key.clone();
    let operator = server.operator("ada");
    let bearer = |token: &str| format!("Bearer {token}");
    let sent = [("Authorization", &*bearer(&key)), ("X-Request-Id", "from-a-proxy"), ("X-Forwarded-For", "192.0.2.7")];
    let who = server.send("GET", "/v1/whoami", &sent, None);
    assert_eq!(who.status, 200);
    assert_eq!(server.send("GET", &format!("/v1/whoami?key={key}"), &[], None).status, 401);
    assert_eq!(server.call(&operator, "GET", "/v1/organizations", None).status, 200);
    assert_eq!(server.call(&key, "GET", "/v1/forward-auth/production", None).status, 200);
    support::waits_for("every request has a line", || lines(&server).len() >= 4);

    let lines = lines(&server);
    let first = &lines[0];
    let whoami = who.json();
    assert_eq!(first["source"], "192.0.2.7", "{first}");
    assert_eq!(
        (&first["method"], &first["route"], &first["status"]),
        (&json!("GET"), &json!("/v1/whoami"), &json!(200))
    );
    assert_eq!((&first["key_id"], &first["environment"]), (&whoami["key"]["id"], &json!("production")));
    assert_eq!(first["organization_id"], whoami["organization"]["id"]);
    assert_eq!(
        (&first["request_id"], &first["sent_request_id"]),
        (&json!(who.headers["x-request-id"]), &json!("from-a-proxy"))
    );
    assert_eq!((&lines[1]["status"], lines[1].get("key_id")), (&json!(401), None));
    assert!(lines[2]["operator_id"].as_str().unwrap().starts_with("op_"), "{}", lines[2]);
    assert_eq!(lines[3]["key_id"], whoami["key"]["id"]);
    let text: String = lines.iter().map(Value::to_string).collect();
    assert!(!text.contains(&key[..30]) && !text.contains(&operator), "{text}");
}

#[test]
fn a_sample_leaves_lines_out_and_off_writes_none() {
    let server = Server::start_with(Path::new(BINARY), &["--access-log", "json", "--access-log-sample", "5"]);
    for _ in 0..20 {
        assert_eq!(server.call(&server.production_key, "GET", "/v1/whoami", None).status, 200);
    }
    support::waits_for("every fifth request has a line", || lines(&server).len() >= 4);
    assert_eq!(lines(&server).len(), 4);

    let server = Server::start_with(Path::new(BINARY), &[]);
    assert_eq!(server.call(&server.production_key, "GET", "/v1/whoami", None).status, 200);
    let (_, _folder) = server.stop();
}

/// Changes and polls are measured, and failures of the store have a kind.
#[test]
fn metrics_tell_of_the_store() {
    let server = Server::start(Path::new(BINARY));
    let operator = server.operator("ada");
    let organizations = server.call(&operator, "GET", "/v1/organizations", None).json();
    let path = format!("/v1/organizations/{}/access-keys", organizations["data"][0]["id"].as_str().unwrap());
    assert_eq!(server.call(&operator, "POST", &path, Some(r#"{"name":"ci"}"#)).status, 201);
    let metrics = server.scrape();
    let value = |name: &str| -> f64 {
        let line = metrics.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {metrics}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(value("doorward_change_wait_seconds_count") >= 1.0);
    assert!(value("doorward_poll_age_seconds") < 600.0);
    assert_eq!(value(r#"doorward_store_errors_total{kind="unavailable",by="node"}"#), 0.0);
    assert_eq!(value("doorward_access_log_lines_lost_total"), 0.0);
    // The store's file is gone: the node's polls notice.
    std::fs::rename(server.store(), server.folder.path().join("moved.db")).unwrap();
    support::waits_for("a failure is counted", || {
        server.scrape().lines().any(|line| {
            line.starts_with("doorward_store_errors_total") && line.contains(r#"by="node""#) && !line.ends_with(" 0")
        })
    });
}
