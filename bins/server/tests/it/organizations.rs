//! Organizations over HTTP: external ids, names, suspension and closing.

use doorward::key::{FreshKey, KeyPrefix, OfferedKey, SystemRandom};
use doorward::types::Environment;
use serde_json::json;

use crate::dashboard::Session;
use crate::support::{Answer, Server};

fn server() -> Server {
    Server::start(env!("CARGO_BIN_EXE_doorward-server").as_ref())
}

struct Desk<'a> {
    server: &'a Server,
    operator: String,
}

impl Desk<'_> {
    fn call(&self, method: &str, path: &str, body: Option<&str>) -> Answer {
        self.server.call(&self.operator, method, &format!("/v1/organizations{path}"), body)
    }

    fn make(&self, body: &str) -> Answer {
        self.call("POST", "", Some(body))
    }
}

fn whoami(server: &Server, key: &str) -> Answer {
    server.call(key, "GET", "/v1/whoami", None)
}

#[test]
fn an_external_id_gives_the_same_organization_without_a_value() {
    let server = server();
    let desk = Desk { server: &server, operator: server.operator("ada") };
    let body = r#"{"name":"Acme","external_id":"tenant-7"}"#;
    let made = desk.make(body);
    assert_eq!(
        (made.status, made.text("/external_id"), made.text("/state")),
        (201, "tenant-7".into(), "active".into())
    );
    assert_eq!(whoami(&server, &made.text("/production_key/value")).status, 200);
    let bearer = format!("Bearer {}", desk.operator);
    let under = |key: &str, body: &str| {
        let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", key)];
        server.send("POST", "/v1/organizations", &headers, Some(body))
    };
    let repeats = [
        desk.make(body),
        desk.make(r#"{"name":"Other","external_id":"tenant-7"}"#),
        under("one", body),
        under("one", body),
        under("two", body),
    ];
    for again in repeats {
        assert_eq!((again.status, again.text("/id"), again.text("/name")), (200, made.text("/id"), "Acme".into()));
        assert!(again.json().get("production_key").is_none() && !again.body.contains("dw_"), "{again:?}");
    }
    let first = r#"{"name":"Beta","external_id":"tenant-8"}"#;
    assert_eq!(under("three", first).status, 201);
    assert_eq!(under("three", first).status, 200);
    let reused = under("three", body);
    assert_eq!((reused.status, reused.code()), (422, "idempotency_key_reused".into()));

    let found = |query: &str| desk.call("GET", &format!("?{query}"), None);
    assert_eq!(found("external_id=tenant-7").json()["data"][0]["id"], made.json()["id"]);
    assert_eq!(found("external_id=tenant-9").json(), json!({"data": [], "next_cursor": null}));
    assert_eq!(found("name=Acme").json()["data"].as_array().unwrap().len(), 1);
    assert_eq!(found("q=ACM").json()["data"][0]["name"], "Acme");
    assert_eq!(found("q=e&limit=1").json()["data"].as_array().unwrap().len(), 1);
    for bad in ["q=a&name=b", "external_id=a%20b", "external_id=", "who=x"] {
        assert_eq!(found(bad).code(), "invalid_request", "{bad}");
    }
    for bad in [r#"{"name":"X","external_id":""}"#, r#"{"name":"X","external_id":"a b"}"#] {
        assert_eq!(desk.make(bad).code(), "invalid_request", "{bad}");
    }
}

#[test]
fn a_name_is_taken_once_unless_a_duplicate_is_asked_for() {
    let server = server();
    let desk = Desk { server: &server, operator: server.operator("ada") };
    let first = desk.make(r#"{"name":"Acme"}"#).text("/id");
    let taken = desk.make(r#"{"name":"Acme"}"#);
    assert_eq!((taken.status, taken.code()), (409, "conflict".into()));
    let second = desk.make(r#"{"name":"Acme","allow_duplicate_name":true}"#);
    assert_eq!(second.status, 201);
    let path = format!("/{}", second.text("/id"));
    let renamed = desk.call("PATCH", &path, Some(r#"{"name":"Beta","external_id":"tenant-1"}"#));
    assert_eq!(
        (renamed.status, renamed.text("/name"), renamed.text("/external_id")),
        (200, "Beta".into(), "tenant-1".into())
    );
    assert_eq!(renamed.json()["receipt"]["effective"], "everywhere");
    assert_eq!(whoami(&server, &second.text("/production_key/value")).text("/organization/name"), "Beta");
    assert_eq!(desk.call("PATCH", &path, Some(r#"{"name":"Acme"}"#)).code(), "conflict");
    assert_eq!(desk.call("PATCH", &format!("/{first}"), Some(r#"{"external_id":"tenant-1"}"#)).code(), "conflict");
    assert_eq!(desk.call("PATCH", &path, Some("{}")).code(), "invalid_request");
    let events = desk.call("GET", &format!("{path}/audit-events?environment=production&limit=1"), None);
    let event = &events.json()["data"][0];
    assert_eq!(event["action"], "organization.renamed");
    assert_eq!(event["detail"]["name_before"], "Acme");
    assert_eq!((&event["detail"]["name"], &event["detail"]["external_id"]), (&json!("Beta"), &json!("tenant-1")));
}

#[test]
fn a_suspended_organizations_keys_are_answered_with_403_and_a_closed_ones_with_401() {
    let server = server();
    let desk = Desk { server: &server, operator: server.operator("ada") };
    let made = desk.make(r#"{"name":"Acme"}"#);
    let (key, path) = (made.text("/production_key/value"), format!("/{}", made.text("/id")));
    let user = server.call(&key, "POST", "/v1/registered-users", Some(r#"{"origin_user_id":"u1"}"#)).text("/id");
    assert_eq!(desk.call("POST", &format!("{path}/resume"), None).code(), "conflict");
    let suspended = desk.call("POST", &format!("{path}/suspend"), Some(r#"{"reason":"unpaid"}"#));
    assert_eq!((suspended.status, suspended.text("/effective")), (200, "everywhere".into()));
    assert_eq!(desk.call("GET", &path, None).text("/state"), "suspended");
    assert_eq!(desk.call("POST", &format!("{path}/suspend"), None).code(), "conflict");
    // The access matrix has every other route.
    for route in ["/v1/whoami", "/v1/registered-users", "/v1/forward-auth/any", "/v1/audit-events"] {
        let refused = server.call(&key, "GET", route, None);
        assert_eq!((refused.status, refused.code()), (403, "organization_suspended".into()), "{route}");
        assert!(!refused.headers.contains_key("www-authenticate"), "{refused:?}");
        assert_eq!(refused.headers["cache-control"], "no-store");
    }
    let unknown = whoami(&server, "dw_prod_0000000000_0000000000000000000000000000000000000");
    assert_eq!(unknown.status, 401);

    assert_eq!(desk.call("POST", &format!("{path}/resume"), None).status, 200);
    let kept = server.call(&key, "GET", &format!("/v1/registered-users/{user}"), None);
    assert_eq!(kept.status, 200, "the data stays");

    let closed = desk.call("DELETE", &path, None);
    assert_eq!((closed.status, closed.text("/effective")), (200, "everywhere".into()));
    assert_eq!((whoami(&server, &key).status, whoami(&server, &key).code()), (401, "invalid_key".into()));
    let shown = desk.call("GET", &path, None);
    assert_eq!(shown.text("/state"), "closed");
    assert!(shown.json()["erase_at"].is_string());
    assert_eq!(desk.call("GET", &format!("{path}/access-keys"), None).json()["data"], json!([]));
    assert_eq!(desk.call("DELETE", &path, None).code(), "conflict");
    assert_eq!(desk.call("POST", &format!("{path}/resume"), None).code(), "conflict");
    assert_eq!(desk.call("POST", &format!("{path}/access-keys"), Some(r#"{"name":"ci"}"#)).code(), "conflict");
    let connector = format!("{path}/connectors/github?environment=test");
    let connector =
        desk.call("PUT", &connector, Some(r#"{"upstream":{"protocol":"http","url":"https://api.example.com"}}"#));
    assert_eq!(connector.code(), "conflict", "data that nobody would erase");
    let events = desk.call("GET", &format!("{path}/audit-events?environment=production"), None).json();
    let told: Vec<_> = events["data"].as_array().unwrap().iter().map(|event| event["action"].clone()).collect();
    assert_eq!(
        told[..3],
        ["organization.closed", "organization.resumed", "organization.suspended"].map(|word| json!(word))
    );
    assert_eq!(events["data"][2]["detail"]["note"], "unpaid");
}

#[test]
fn the_data_of_a_closed_organization_is_erased_after_the_time_that_is_set() {
    let server = Server::start_with(env!("CARGO_BIN_EXE_doorward-server").as_ref(), &["--erase-closed-after", "0"]);
    let desk = Desk { server: &server, operator: server.operator("ada") };
    let made = desk.make(r#"{"name":"Acme"}"#);
    let (key, path) = (made.text("/production_key/value"), format!("/{}", made.text("/id")));
    assert_eq!(server.call(&key, "POST", "/v1/registered-users", Some(r#"{"origin_user_id":"u1"}"#)).status, 201);
    assert_eq!(desk.call("DELETE", &path, None).status, 200);
    crate::support::waits_for("the data is erased", || desk.call("GET", &path, None).json().get("erase_at").is_none());
}

#[test]
fn the_page_renames_suspends_resumes_and_closes_an_organization() {
    let server = server();
    let session = Session::new(&server, crate::dashboard::path_of(&server.sign_in_link));
    let renamed = session.post("/rename", "name=Acme");
    assert!(renamed.status == 200 && renamed.body.contains("The name is Acme now"), "{renamed:?}");
    assert_eq!(whoami(&server, &server.production_key).text("/organization/name"), "Acme");
    let asked = session.get(&format!("{}?dialog=suspend", session.page));
    assert!(asked.body.contains("All keys of this organization are refused everywhere"), "{asked:?}");
    let suspended = session.post("/suspend", "");
    assert!(suspended.body.contains("This organization is suspended"), "{suspended:?}");
    assert_eq!(whoami(&server, &server.production_key).code(), "organization_suspended");
    assert_eq!(session.post("/suspend", "").status, 409);
    let resumed = session.post("/resume", "");
    assert!(!resumed.body.contains("This organization is suspended"), "{resumed:?}");
    assert_eq!(whoami(&server, &server.production_key).status, 200);

    // A name that is taken or empty changes nothing.
    let ada = server.operator("ada");
    server.call(&ada, "POST", "/v1/organizations", Some(r#"{"name":"Beta"}"#));
    for (form, why) in [("name=Beta", "The name is taken"), ("name=", "A name cannot be empty")] {
        let refused = session.post("/rename", form);
        assert!(refused.body.contains(why) && refused.body.contains("<dialog"), "{form}: {refused:?}");
    }
    let wrong = session.post("/close", "name=acme+inc");
    assert!(wrong.body.contains("Nothing was changed: “acme inc” is not “Acme”"), "{wrong:?}");
    assert_eq!(whoami(&server, &server.production_key).status, 200);
    let closed = session.post("/close", "name=Acme");
    assert!(
        closed.body.contains("This organization is closed") && closed.body.contains("are erased <time"),
        "{closed:?}"
    );
    assert_eq!(whoami(&server, &server.production_key).status, 401);
    let page = session.get(&session.page.clone());
    assert!(page.status == 200 && page.body.contains("This organization is closed"), "{page:?}");
    assert_eq!(session.get(&format!("{}/audit", session.page)).status, 200);
    let list = session.get("/dashboard/");
    assert!(list.body.contains("closed</span>"), "{list:?}");
    for path in ["/production-key/stage", "/test-keys"] {
        let refused = session.post(path, "name=x");
        assert!(refused.body.contains("This organization is closed"), "{refused:?}");
    }
}

#[test]
fn a_key_is_renamed_and_a_leak_is_reported() {
    let server = server();
    let desk = Desk { server: &server, operator: server.operator("ada") };
    let made = desk.make(r#"{"name":"Acme"}"#);
    let (organization, key) = (made.text("/id"), made.text("/production_key/id"));
    let at = |rest: &str| format!("/{organization}{rest}");
    let path = at(&format!("/access-keys/{key}"));
    let renamed = desk.call("PATCH", &path, Some(r#"{"name":"billing","note":"team 7"}"#));
    assert_eq!(
        (renamed.status, renamed.text("/name"), renamed.text("/note")),
        (200, "billing".into(), "team 7".into())
    );
    let value = made.text("/production_key/value");
    assert_eq!(whoami(&server, &value).text("/key/name"), "billing", "nodes know the new name");
    let without = desk.call("PATCH", &path, Some(r#"{"note":""}"#));
    assert_eq!((without.status, without.json().get("note").cloned()), (200, None));
    let again = desk.call("PATCH", &path, Some(r#"{"note":""}"#));
    assert_eq!((again.status, again.code().as_str()), (409, "conflict"));
    for invalid in ["{}", r#"{"name":""}"#, r#"{"note":"\u0000"}"#, r#"{"colour":"red"}"#] {
        assert_eq!(desk.call("PATCH", &path, Some(invalid)).code(), "invalid_request", "{invalid}");
    }
    let nobody = at("/access-keys/key_01h455vb4pex5vsknk084sn02q");
    assert_eq!(desk.call("PATCH", &nobody, Some(r#"{"name":"x"}"#)).status, 404);

    let regenerate = at("/production-key/regenerate");
    let used = desk.call("POST", &regenerate, Some(r#"{"if_unused_for":3600}"#));
    assert_eq!((used.status, used.code().as_str()), (409, "still_in_use"));
    assert_eq!(desk.call("POST", &regenerate, Some(r#"{"note":"why"}"#)).code(), "invalid_request");
    desk.call("POST", &at("/production-key/stage"), None);
    let leaked = desk.call("POST", &regenerate, Some(r#"{"reason":"leak","note":"ticket 4711"}"#));
    assert_eq!((leaked.status, whoami(&server, &leaked.text("/value")).status), (200, 200));
    assert_eq!(whoami(&server, &value).status, 401);
    let log = desk.call("GET", &at("/audit-events?environment=production"), None);
    assert_eq!(
        (log.text("/data/0/action"), log.text("/data/1/action")),
        ("access_key.regenerated".into(), "access_key.reported_leaked".into())
    );
    assert_eq!(
        (log.text("/data/1/detail/note"), log.text("/data/3/action")),
        ("ticket 4711".into(), "access_key.renamed".into())
    );
}

/// A vault or a Terraform provider makes the value, and the store gets the digest. A repeat changes nothing.
#[test]
fn a_digest_makes_a_key_without_a_value() {
    let server = server();
    let desk = Desk { server: &server, operator: server.operator("ada") };
    let organization = desk.make(r#"{"name":"Acme"}"#).text("/id");
    let at = |rest: &str| format!("/{organization}{rest}");
    let fresh = |environment| {
        let fresh = FreshKey::generate(&KeyPrefix::default(), environment, &SystemRandom).unwrap();
        let public = OfferedKey::of(&fresh).to_string();
        (fresh.into_value(), public)
    };
    let (value, public) = fresh(Environment::Test);
    let body = json!({"name": "vault", "digest": public}).to_string();
    let made = desk.call("POST", &at("/access-keys"), Some(&body));
    assert_eq!((made.status, made.json().get("value")), (201, None));
    assert_eq!(whoami(&server, value.expose()).text("/key/name"), "vault");
    let again = desk.call("POST", &at("/access-keys"), Some(&body));
    assert_eq!((again.status, again.text("/id"), again.json().get("receipt")), (200, made.text("/id"), None));
    let (next, public) = fresh(Environment::Production);
    let body = json!({"digest": public}).to_string();
    let staged = desk.call("POST", &at("/production-key/stage"), Some(&body));
    assert_eq!((staged.status, whoami(&server, next.expose()).status), (201, 200));
    assert_eq!(desk.call("POST", &at("/production-key/stage"), Some(&body)).status, 200);
    let other = json!({"digest": fresh(Environment::Production).1}).to_string();
    assert_eq!(desk.call("POST", &at("/production-key/stage"), Some(&other)).code(), "already_staged");
    assert_eq!(desk.call("POST", &at("/production-key/stage"), Some(r#"{"digest":"x"}"#)).code(), "invalid_request");
}
