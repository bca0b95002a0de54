//! Checks docs/reference/http.md from outside: the input and output of each route.

use serde_json::json;

use crate::support::{self, Server};

fn server() -> Server {
    Server::start(env!("CARGO_BIN_EXE_doorward-server").as_ref())
}

#[test]
fn a_key_opens_its_own_environment() {
    let server = server();
    let ada = server.operator("ada");
    let who = server.call(&server.production_key, "GET", "/v1/whoami", None);
    assert_eq!(who.status, 200);
    assert_eq!(who.text("/environment"), "production");
    assert_eq!(who.text("/organization/name"), "default");
    assert_eq!(who.text("/key/generation"), "1");
    assert!(who.text("/key/id").starts_with("key_"));
    assert_eq!(who.text("/key/locator"), &server.production_key[8..18]);
    assert_eq!(who.headers["cache-control"], "no-store");

    let organization = who.text("/organization/id");
    let path = format!("/v1/organizations/{organization}/access-keys");
    let made = server.call(&ada, "POST", &path, Some(r#"{"name":"ci"}"#));
    assert_eq!(made.status, 201);
    assert_eq!((made.text("/environment"), made.text("/name")), ("test".into(), "ci".into()));
    let who = server.call(&made.text("/value"), "GET", "/v1/whoami", None);
    assert_eq!((who.text("/environment"), who.text("/key/id")), ("test".into(), made.text("/id")));

    let listed = server.call(&ada, "GET", &path, None).json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    assert_eq!(listed["data"][0]["environment"], "production");
    assert!(listed["data"][0]["rotation_due_at"].is_string());
    assert!(listed["data"][1].get("rotation_due_at").is_none());
    assert_eq!(listed["data"][1]["secrets"][0]["state"], "current");
}

#[test]
fn rotation_has_no_outage_and_the_old_key_dies_with_the_answer() {
    let server = server();
    let ada = server.operator("ada");
    let works = |key: &str| server.call(key, "GET", "/v1/whoami", None).status == 200;
    let organization = server.call(&server.production_key, "GET", "/v1/whoami", None).text("/organization/id");
    let stage = format!("/v1/organizations/{organization}/production-key/stage");
    let regenerate = format!("/v1/organizations/{organization}/production-key/regenerate");

    let staged = server.call(&ada, "POST", &stage, None);
    assert_eq!((staged.status, staged.text("/generation")), (201, "2".into()));
    let next = staged.text("/value");
    assert!(works(&server.production_key) && works(&next));
    let again = server.call(&ada, "POST", &stage, Some("{}"));
    assert_eq!((again.status, again.code()), (409, "already_staged".into()));

    let done = server.call(&ada, "POST", &regenerate, None);
    assert_eq!(done.status, 200);
    assert!(!works(&server.production_key) && works(&next));
    let receipt = &done.json()["receipt"];
    assert_eq!(receipt["effective"], "everywhere");
    assert_eq!(receipt["nodes"], json!({"acknowledged": 1, "expired": 0}));
    assert!(receipt["revision"].is_u64() && receipt["waited_ms"].is_u64());
    assert!(done.json().get("value").is_none(), "a staged value was shown again");

    let leaked = server.call(&ada, "POST", &regenerate, Some("{}"));
    assert!(!works(&next) && works(&leaked.text("/value")));

    let staged = server.call(&ada, "POST", &stage, None).text("/value");
    let both = server.call(&ada, "POST", &regenerate, Some(r#"{"discard_staged":true}"#));
    assert!(!works(&staged) && !works(&leaked.text("/value")) && works(&both.text("/value")));

    let staged = server.call(&ada, "POST", &stage, None).text("/value");
    let withdrawn = server.call(&ada, "DELETE", &stage, None);
    assert_eq!((withdrawn.status, withdrawn.text("/effective")), (200, "everywhere".into()));
    assert!(!works(&staged) && works(&both.text("/value")));
    assert_eq!(server.call(&ada, "DELETE", &stage, None).code(), "not_found");
}

#[test]
fn a_preview_tells_what_a_regeneration_would_break_and_changes_nothing() {
    let server = server();
    let ada = server.operator("ada");
    let organization = server.call(&server.production_key, "GET", "/v1/whoami", None).text("/organization/id");
    let path = format!("/v1/organizations/{organization}/production-key");
    let preview = |query: &str| server.call(&ada, "GET", &format!("{path}/regenerate/preview{query}"), None);

    let current = json!([&server.production_key[8..18]]);
    support::waits_for("the use is counted", || preview("").json()["refused"] == current);
    let alone = preview("").json();
    assert_eq!(alone["safe"], false);
    assert_eq!((&alone["dying"][0]["state"], &alone["successor"]), (&json!("current"), &json!(null)));

    let staged = server.call(&ada, "POST", &format!("{path}/stage"), None).text("/locator");
    let promoted = preview("?discard_staged=false").json();
    assert_eq!(
        (&promoted["successor"]["locator"], &promoted["successor"]["last_used_at"]),
        (&json!(staged), &json!(null))
    );
    let discarded = preview("?discard_staged=true").json();
    assert_eq!((&discarded["dying"][1]["locator"], &discarded["successor"]), (&json!(staged), &json!(null)));
    assert_eq!(discarded["refused"], current);

    for query in ["?discard_staged=x", "?staged=true", "?limit=1"] {
        assert_eq!(preview(query).code(), "invalid_request", "{query}");
    }
    assert_eq!(server.call(&server.production_key, "GET", "/v1/whoami", None).status, 200);
}

#[test]
fn test_keys_can_be_deleted_but_not_the_production_key() {
    let server = server();
    let ada = server.operator("ada");
    let who = server.call(&server.production_key, "GET", "/v1/whoami", None);
    let keys = format!("/v1/organizations/{}/access-keys", who.text("/organization/id"));
    let made = server.call(&ada, "POST", &keys, Some(r#"{"name":"ci"}"#));
    let kept = server.call(&ada, "DELETE", &format!("{keys}/{}", who.text("/key/id")), None);
    assert_eq!((kept.status, kept.code()), (409, "production_key_required".into()));
    let gone = server.call(&ada, "DELETE", &format!("{keys}/{}", made.text("/id")), None);
    assert_eq!((gone.status, gone.text("/effective")), (200, "everywhere".into()));
    assert_eq!(server.call(&made.text("/value"), "GET", "/v1/whoami", None).code(), "invalid_key");
    assert_eq!(server.call(&ada, "DELETE", &format!("{keys}/{}", made.text("/id")), None).status, 404);
}

#[test]
fn organizations_come_with_their_production_key() {
    let server = server();
    let ada = server.operator("ada");
    let made = server.call(&ada, "POST", "/v1/organizations", Some(r#"{"name":"Zoë & 東京"}"#));
    assert_eq!(made.status, 201);
    let who = server.call(&made.text("/production_key/value"), "GET", "/v1/whoami", None);
    assert_eq!((who.text("/organization/id"), who.text("/environment")), (made.text("/id"), "production".into()));
    let one = server.call(&ada, "GET", &format!("/v1/organizations/{}", made.text("/id")), None);
    assert_eq!(one.text("/name"), "Zoë & 東京");

    let first = server.call(&ada, "GET", "/v1/organizations?limit=1", None);
    assert_eq!(first.text("/data/0/id"), made.text("/id"), "newest first");
    let next = format!("/v1/organizations?limit=1&cursor={}", first.text("/next_cursor"));
    let second = server.call(&ada, "GET", &next, None);
    assert_eq!((second.text("/data/0/name"), second.text("/next_cursor")), ("default".into(), "null".into()));
}

#[test]
fn a_repeated_request_is_reported_and_shows_no_value() {
    let server = server();
    let ada = server.operator("ada");
    let organization = server.call(&server.production_key, "GET", "/v1/whoami", None).text("/organization/id");
    let keys = format!("/v1/organizations/{organization}/access-keys");
    let bearer = format!("Bearer {ada}");
    for (path, body) in [
        ("/v1/organizations".to_owned(), Some(r#"{"name":"Acme"}"#)),
        (keys.clone(), Some(r#"{"name":"ci"}"#)),
        (format!("/v1/organizations/{organization}/production-key/stage"), None),
        (format!("/v1/organizations/{organization}/production-key/regenerate"), None),
        (format!("/v1/organizations/{organization}/production-key/regenerate"), None),
    ] {
        // The last two are different requests on one path: only the key distinguishes them.
        let once = format!("once-{path}-{}", server.call(&ada, "GET", &keys, None).body.len());
        let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", once.as_str())];
        let first = server.send("POST", &path, &headers, body);
        assert!(matches!(first.status, 200 | 201), "{first:?}");
        let before = server.call(&ada, "GET", &keys, None).body;
        let second = server.send("POST", &path, &headers, body);
        assert_eq!((second.status, second.code()), (409, "already_done".into()), "{path}");
        assert!(second.json()["id"].is_string());
        assert!(!second.body.contains("dw_"), "{second:?}");
        assert_eq!(server.call(&ada, "GET", &keys, None).body, before);
    }
    for bad in ["", "a b", &"x".repeat(129)] {
        let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", bad)];
        let refused = server.send("POST", &keys, &headers, Some(r#"{"name":"ci"}"#));
        assert_eq!(refused.code(), "invalid_request", "{bad:?}");
    }
}

#[test]
fn registered_users_and_their_credentials() {
    let server = server();
    let key = &server.production_key;
    let users = "/v1/registered-users";
    let made = server.call(key, "POST", users, Some(r#"{"origin_user_id":"u1","origin_user_name":"Ada"}"#));
    assert_eq!((made.status, made.text("/origin_user_id")), (201, "u1".into()));
    assert!(made.text("/id").starts_with("ru_") && made.json()["created_at"].is_string());
    let twice = server.call(key, "POST", users, Some(r#"{"origin_user_id":"u1"}"#));
    assert_eq!((twice.status, twice.code()), (409, "conflict".into()));
    let nameless = server.call(key, "POST", users, Some(r#"{"origin_user_id":"u2"}"#));
    assert_eq!(nameless.json()["origin_user_name"], json!(null));

    let listed = server.call(key, "GET", users, None).json();
    // Newest first; but both may have the same millisecond.
    let mut ids: Vec<_> = listed["data"].as_array().unwrap().iter().map(|user| &user["origin_user_id"]).collect();
    ids.sort_unstable_by_key(|id| id.as_str());
    assert_eq!(ids, ["u1", "u2"]);
    assert_eq!(listed["next_cursor"], json!(null));

    let user = format!("{users}/{}", made.text("/id"));
    assert_eq!(server.call(key, "GET", &user, None).json(), made.json());
    let credential = format!("{user}/credentials/github");
    assert_eq!(server.call(key, "GET", &credential, None).code(), "not_found");
    for secret in [r#"{"secret":"hunter2"}"#, r#"{"secret":"hunter3"}"#] {
        let put = server.call(key, "PUT", &credential, Some(secret));
        assert_eq!((put.status, put.body.as_str()), (204, ""));
    }
    let read = server.call(key, "GET", &credential, None);
    assert_eq!(read.text("/connector"), "github");
    assert!(!read.body.contains("hunter"));
    assert_eq!(server.call(key, "DELETE", &credential, None).status, 204);
    assert_eq!(server.call(key, "DELETE", &credential, None).status, 404);

    server.call(key, "PUT", &credential, Some(r#"{"secret":"x"}"#));
    assert_eq!(server.call(key, "DELETE", &user, None).status, 204);
    assert_eq!(server.call(key, "GET", &credential, None).status, 404);
    assert_eq!(server.call(key, "PUT", &credential, Some(r#"{"secret":"x"}"#)).status, 404);
    assert_eq!(server.call(key, "DELETE", &user, None).status, 404);
}

#[test]
fn each_environment_has_its_own_audit_log() {
    let server = server();
    let ada = server.operator("ada");
    let organization = server.call(&server.production_key, "GET", "/v1/whoami", None).text("/organization/id");
    let keys = format!("/v1/organizations/{organization}/access-keys");
    let made = server.call(&ada, "POST", &keys, Some(r#"{"name":"ci"}"#));
    let actions = |answer: support::Answer| -> Vec<String> {
        let json = answer.json();
        json["data"].as_array().unwrap().iter().map(|event| event["action"].as_str().unwrap().to_owned()).collect()
    };
    let log = "/v1/audit-events";
    let production = actions(server.call(&server.production_key, "GET", log, None));
    assert_eq!(production, ["access_key.created", "organization.created"]);
    let test = server.call(&made.text("/value"), "GET", log, None);
    assert_eq!(test.text("/data/0/actor"), "ada");
    assert_eq!(test.text("/data/0/source_address"), "127.0.0.1");
    assert_eq!(test.text("/data/0/subject"), made.text("/id"));
    assert_eq!(test.text("/data/0/request_id"), made.headers["x-request-id"]);
    assert_eq!(actions(test), ["access_key.created"]);

    let of =
        |query: &str| server.call(&ada, "GET", &format!("/v1/organizations/{organization}/audit-events{query}"), None);
    assert_eq!(actions(of("?environment=test")), ["access_key.created"]);
    assert_eq!(actions(of("?environment=production")), production);
    let first = of("?environment=production&limit=1");
    let rest = of(&format!("?limit=1&cursor={}&environment=production", first.text("/next_cursor")));
    assert_eq!(actions(rest), ["organization.created"]);
    let filtered = |filter: &str| actions(of(&format!("?environment=production&{filter}")));
    assert_eq!(filtered("action=organization.created"), ["organization.created"]);
    assert_eq!(filtered("since=2020-01-01&until=2100-01-01T00%3A00%3A00Z"), production);
    assert_eq!(filtered("until=2020-01-01"), [""; 0]);
    assert_eq!(filtered("actor=some%20one"), [""; 0]);
    let key = made.text("/id");
    assert_eq!(actions(of(&format!("?environment=test&key={key}"))), ["access_key.created"]);
    assert_eq!(filtered(&format!("key={key}")), [""; 0]);
    let own = format!("{log}?action=organization.created&limit=1");
    assert_eq!(actions(server.call(&server.production_key, "GET", &own, None)), ["organization.created"]);
    for bad in [
        "",
        "?environment=",
        "?environment=prod",
        "?environment=test&environment=test",
        "?environment=test&x=1",
        "?environment=test&action=none",
        "?environment=test&since=yesterday",
        "?environment=test&key=org_1",
        "?environment=test&actor=%FF",
    ] {
        assert_eq!(of(bad).code(), "invalid_request", "{bad}");
    }
}

#[test]
fn probes_and_metrics_need_no_credential_and_show_no_key() {
    let server = server();
    for path in ["/healthz", "/readyz"] {
        assert_eq!(server.send("GET", path, &[], None).status, 200, "{path}");
        let head = server.send("HEAD", path, &[], None);
        assert_eq!((head.status, head.body.as_str()), (200, ""));
    }
    server.call(&server.production_key, "GET", "/v1/whoami", None);
    server.send("GET", "/v1/whoami", &[], None);
    let text = server.scrape();
    for line in [
        r#"doorward_verifications_total{environment="production",outcome="accepted"} 1"#,
        r#"doorward_verifications_total{environment="none",outcome="missing_credential"} 1"#,
        r#"http_server_request_duration_seconds_count{http_request_method="GET",http_route="/v1/whoami",http_response_status_code="401"} 1"#,
        "doorward_node_current 1",
        r#"doorward_sign_in_refusals_total{by="link"} 0"#,
        r#"doorward_connections_limited_total{reason="full"} 0"#,
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    let number = |name: &str| -> f64 {
        text.lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_else(|| panic!("{name}"))
            .trim()
            .parse()
            .unwrap()
    };
    assert!((0.0..=3.0).contains(&number("doorward_lease_left_seconds ")));
    assert!(number("process_open_fds ") < number("process_max_fds ") && number("process_resident_memory_bytes ") > 1e6);
    assert!(!text.contains("key_") && !text.contains(&server.production_key[8..18]));
}

#[test]
fn data_survives_a_restart_and_no_key_is_shown_again() {
    let server = server();
    let key = server.production_key.clone();
    let user = server.call(&key, "POST", "/v1/registered-users", Some(r#"{"origin_user_id":"u1"}"#)).text("/id");
    let credential = format!("/v1/registered-users/{user}/credentials/github");
    server.call(&key, "PUT", &credential, Some(r#"{"secret":"hunter2"}"#));
    let (status, folder) = server.stop();
    assert!(status.success(), "{status}");

    let server = Server::start_in(env!("CARGO_BIN_EXE_doorward-server").as_ref(), folder);
    assert_eq!(server.production_key, "");
    assert!(!server.output.lock().unwrap().contains("dw_"));
    assert_eq!(server.call(&key, "GET", &credential, None).status, 200);
}

#[test]
fn a_strict_server_reads_the_store_and_answers_the_same() {
    let server =
        Server::start_with(env!("CARGO_BIN_EXE_doorward-server").as_ref(), &["--strict", "--clock", "precise"]);
    let ada = server.operator("ada");
    let key = &server.production_key;
    let organization = server.call(key, "GET", "/v1/whoami", None).text("/organization/id");
    let regenerate = format!("/v1/organizations/{organization}/production-key/regenerate");
    let fresh = server.call(&ada, "POST", &regenerate, None).text("/value");
    assert_eq!(server.call(key, "GET", "/v1/whoami", None).code(), "invalid_key");
    assert_eq!(server.call(&fresh, "GET", "/v1/whoami", None).text("/key/generation"), "2");
    assert_eq!(server.call("nothing", "GET", "/v1/whoami", None).code(), "malformed_key");
    assert_eq!(server.send("GET", &format!("/v1/whoami?{fresh}"), &[], None).code(), "key_in_wrong_place");
}

#[test]
fn allowed_origins_are_added_checked_and_removed() {
    let server = server();
    let ada = server.operator("ada");
    let organization = server.call(&server.production_key, "GET", "/v1/whoami", None).text("/organization/id");
    let origins = format!("/v1/organizations/{organization}/allowed-origins");
    let add = |text: &str| server.call(&ada, "POST", &origins, Some(&json!({ "origin": text }).to_string()));
    let check =
        |url: &str| server.call(&ada, "POST", &format!("{origins}/check"), Some(&json!({ "url": url }).to_string()));

    let refused = check("https://app.example.com/callback").json();
    assert_eq!((&refused["allowed"], &refused["origin"]), (&json!(false), &json!("https://app.example.com")));
    assert!(
        refused["reason"]
            .as_str()
            .unwrap()
            .starts_with("unauthorized origin: `https://app.example.com` is not on the list")
    );
    let made = add("App.Example.com:443");
    assert_eq!((made.status, made.text("/origin")), (201, "https://app.example.com".into()));
    assert_eq!((made.text("/created_by"), made.text("/receipt/effective")), ("ada".into(), "everywhere".into()));
    let again = add("https://app.example.com");
    assert_eq!((again.status, again.text("/id")), (200, made.text("/id")));
    assert_eq!(again.json().get("receipt"), None);
    assert_eq!(add("localhost:3000").status, 201);
    let allowed = check("https://app.example.com/callback").json();
    assert_eq!(allowed, json!({"allowed": true, "origin": "https://app.example.com"}));

    for (text, why) in [
        ("*.example.com", "no wildcards"),
        ("http://app.example.com", "did you mean `app.example.com`?"),
        ("com.example.app://callback", "allowed only by a setting"),
        ("", "it is empty"),
    ] {
        let refused = add(text);
        assert_eq!((refused.status, refused.code()), (400, "invalid_request".into()), "{text}");
        assert!(refused.text("/detail").contains(why), "{text}: {refused:?}");
    }
    let listed = server.call(&ada, "GET", &origins, None).json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    assert_eq!(listed["data"][0], {
        let mut entry = made.json();
        entry.as_object_mut().unwrap().remove("receipt");
        entry
    });

    let removed = server.call(&ada, "DELETE", &format!("{origins}/{}", made.text("/id")), None);
    assert_eq!((removed.status, removed.text("/effective")), (200, "everywhere".into()));
    assert_eq!(server.call(&ada, "DELETE", &format!("{origins}/{}", made.text("/id")), None).code(), "not_found");
    assert_eq!(check("https://app.example.com/callback").json()["allowed"], false);
    let log = format!("/v1/organizations/{organization}/audit-events?environment=production&limit=3");
    let events = server.call(&ada, "GET", &log, None).json();
    let told = |place: usize| (&events["data"][place]["action"], &events["data"][place]["detail"]["origin"]);
    assert_eq!(told(0), (&json!("allowed_origin.removed"), &json!("https://app.example.com")));
    assert_eq!(told(1), (&json!("allowed_origin.added"), &json!("http://localhost:3000")));
    assert_eq!(told(2), (&json!("allowed_origin.added"), &json!("https://app.example.com")));
}

#[test]
fn app_schemes_are_allowed_by_a_setting() {
    let server = Server::start_with(env!("CARGO_BIN_EXE_doorward-server").as_ref(), &["--custom-schemes"]);
    let ada = server.operator("ada");
    let organization = server.call(&server.production_key, "GET", "/v1/whoami", None).text("/organization/id");
    let origins = format!("/v1/organizations/{organization}/allowed-origins");
    let add = |text: &str| server.call(&ada, "POST", &origins, Some(&json!({ "origin": text }).to_string())).status;
    assert_eq!((add("com.example.app://callback"), add("javascript://callback")), (201, 400));
}
