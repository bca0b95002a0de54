//! Suspicious uses of keys: refused, counted, and logged once a minute for the key's owner. The audit log, which records only
//! changes, does not grow.

use std::collections::BTreeMap;

use doorward::key::{FreshKey, KeyPrefix, SystemRandom};
use doorward::types::Environment;
use serde_json::Value;

use crate::support::{self, Server};

/// A sink of notices hears of each misuse once a minute, and of the last ones when the server stops.
#[test]
fn people_hear_of_misuse_by_a_sink_of_notices() {
    let folder = tempfile::tempdir().unwrap();
    let at = |file: &str| folder.path().join(file).display().to_string();
    let sinks = format!(
        "[[sinks]]\nname = 'alerts'\nfile = '{}'\ncontent = 'notices'\n\
                 [[sinks]]\nname = 'soc'\nfile = '{}'\ncontent = 'notices'\nshape = 'ocsf'\n\
                 [[sinks]]\nname = 'archive'\nfile = '{}'\n",
        at("alerts.jsonl"),
        at("soc.jsonl"),
        at("audit.jsonl")
    );
    std::fs::write(at("doorward.toml"), sinks).unwrap();
    let server = Server::start_with(
        env!("CARGO_BIN_EXE_doorward-server").as_ref(),
        &["--config", &at("doorward.toml"), "--leaked-test-keys", "quarantine"],
    );
    let (key, ada) = (server.production_key.clone(), server.operator("ada"));
    let organization = server.call(&key, "GET", "/v1/whoami", None).text("/organization/id");
    let of = |path: &str| format!("/v1/organizations/{organization}/{path}");
    let test = server.call(&ada, "POST", &of("access-keys"), Some(r#"{"name":"ci"}"#));
    let held = test.text("/value");
    server.quarantine(&held);
    server.call(&held, "GET", "/v1/whoami", None);
    let body = format!(r#"{{"origin_user_id":"u1","origin_user_name":"{key}"}}"#);
    assert_eq!(server.call(&key, "POST", "/v1/registered-users", Some(&body)).status, 201);
    let next = server.call(&ada, "POST", &of("production-key/regenerate"), None).text("/value");
    for _ in 0..3 {
        assert_eq!(server.call(&key, "GET", "/v1/whoami", None).status, 401);
    }
    assert_eq!(server.call(&next, "GET", "/v1/whoami", None).status, 200);
    server.stop();

    let lines = |file: &str| -> Vec<Value> {
        let text = std::fs::read_to_string(at(file)).unwrap();
        assert!(!text.contains(&key) && !text.contains(&held), "{text}");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let alerts = lines("alerts.jsonl");
    assert!(alerts.iter().all(|line| line["type"] == "access_key.misused"), "{alerts:?}");
    // On a slow machine, a minute ends in between, and a use is told in two parts.
    let mut told = BTreeMap::new();
    for line in &alerts {
        *told.entry(line["use"].as_str().unwrap()).or_insert(0) += line["calls"].as_u64().unwrap();
    }
    // `Server::quarantine` has looked at the key as well, until it was refused.
    assert!(told.remove("quarantined").is_some_and(|calls| calls >= 2), "{alerts:?}");
    assert_eq!(told, BTreeMap::from([("after_death", 3), ("in_body", 1)]), "{alerts:?}");
    let quarantined = alerts.iter().find(|line| line["use"] == "quarantined").unwrap();
    assert_eq!(quarantined["key"], test.text("/id").as_str());
    assert_eq!((&quarantined["organization"], &quarantined["environment"]), (&organization.into(), &"test".into()));
    assert_eq!(quarantined["sources"], serde_json::json!(["127.0.0.1"]));
    let findings = lines("soc.jsonl");
    assert!(findings.len() == alerts.len() && findings.iter().all(|line| line["class_uid"] == 2004), "{findings:?}");
    // Audit events and notices stay apart.
    assert!(lines("audit.jsonl").iter().all(|line| line["action"].is_string()));
}

#[test]
fn unusual_uses_are_counted_and_logged_but_not_audited() {
    let server = Server::start_with(env!("CARGO_BIN_EXE_doorward-server").as_ref(), &[]);
    let old = server.production_key.clone();
    let ada = server.operator("ada");
    let organization = server.call(&old, "GET", "/v1/whoami", None).text("/organization/id");
    let keys = format!("/v1/organizations/{organization}");
    let current = server.call(&ada, "POST", &format!("{keys}/production-key/regenerate"), None).text("/value");
    let test = server.call(&ada, "POST", &format!("{keys}/access-keys"), Some(r#"{"name":"ci"}"#));
    server.call(&ada, "DELETE", &format!("{keys}/access-keys/{}", test.text("/id")), None);
    let events = || server.call(&ada, "GET", &format!("{keys}/audit-events?environment=production"), None).json();
    let before = events();

    for _ in 0..3 {
        for dead in [&old, &test.text("/value")] {
            let refused = server.call(dead, "GET", "/v1/whoami", None);
            assert_eq!((refused.status, refused.code().as_str()), (401, "invalid_key"));
        }
        let authorization = format!("Bearer {current}");
        let page = [("Authorization", authorization.as_str()), ("Origin", "https://app.example.com")];
        assert_eq!(server.send("GET", "/v1/whoami", &page, None).code(), "key_used_in_browser");
        assert_eq!(server.send("GET", &format!("/v1/whoami?key={current}"), &[], None).code(), "key_in_wrong_place");
    }
    assert_eq!(
        (server.unusual_uses("after_death"), server.unusual_uses("in_browser"), server.unusual_uses("in_query")),
        (6, 3, 3)
    );
    // An invented key is refused as before. It is not counted, and hides no counted use.
    for _ in 0..150 {
        let made_up = FreshKey::generate(&KeyPrefix::default(), Environment::Test, &SystemRandom).unwrap().into_value();
        let refused = server.send("GET", &format!("/v1/whoami?key={}", made_up.expose()), &[], None);
        assert_eq!((refused.status, refused.code().as_str()), (401, "key_in_wrong_place"));
    }
    assert_eq!(server.send("GET", &format!("/v1/whoami?key={old}"), &[], None).code(), "key_in_wrong_place");
    assert_eq!(server.unusual_uses("in_query"), 4);
    let told = || -> Vec<Value> {
        let log = server.output.lock().unwrap();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["fields"]["use"].is_string()).collect()
    };
    support::waits_for("the last line", || told().len() >= 5);
    let told = told();
    let lines: Vec<_> = told
        .iter()
        .map(|line| (line["fields"]["use"].as_str().unwrap(), line["fields"]["locator"].as_str().unwrap().to_owned()))
        .collect();
    let locator = |key: &str| key.split('_').nth(2).unwrap().to_owned();
    let expected = [
        ("after_death", locator(&old)),
        ("after_death", test.text("/locator")),
        ("in_browser", locator(&current)),
        ("in_query", locator(&current)),
        ("in_query", locator(&old)),
    ];
    assert_eq!(lines, expected, "each once a minute");
    assert!(told.iter().all(|line| line["level"] == "WARN" && line["fields"]["source"] == "127.0.0.1"));
    assert!(told.iter().all(|line| line["fields"]["request"].as_str().unwrap().starts_with("req_")));
    assert_eq!(told[1]["fields"]["key"], test.text("/id").as_str());
    assert_eq!(events(), before);
}
