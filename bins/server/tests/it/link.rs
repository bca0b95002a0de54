//! Links an account with a real OAuth server (`oidc-provider`) and a real browser.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use doorward::records::{Credential, SealingKey, SealingKeys, Table};
use doorward::sqlite::SqliteStore;
use doorward::store::OpenMode;
use doorward::types::Environment;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::support::browser::Browser;
use crate::support::{self, Provider, Server};

/// The backend's page, and the URLs with which it was requested.
fn page() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut line) = (stream.unwrap(), String::new());
            BufReader::new((&stream).take(8_192)).read_line(&mut line).unwrap_or_default();
            if line.starts_with("GET /done") {
                kept.lock().unwrap().push(line.split(' ').nth(1).unwrap().to_owned());
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nlanded");
        }
    });
    (origin, asked)
}

/// A server, its OAuth server, and a page that may receive callbacks.
struct World {
    server: Server,
    provider: Provider,
    operator: String,
    organization: String,
    page: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl World {
    fn new() -> Self {
        let server = Server::start(env!("CARGO_BIN_EXE_doorward-server").as_ref());
        let operator = server.operator("ada");
        let organization = server.call(&server.production_key, "GET", "/v1/whoami", None).text("/organization/id");
        let put = |issuer: &str| {
            let settings = json!({
                "authorization_endpoint": format!("{issuer}/auth"), "token_endpoint": format!("{issuer}/token"),
                "revocation_endpoint": format!("{issuer}/token/revocation"), "client_id": "doorward",
                "client_secret": Provider::SECRET, "scope": "openid", "issuer": issuer,
            });
            let path = format!("/v1/organizations/{organization}/connectors/oidc?environment=production");
            assert_eq!(server.call(&operator, "PUT", &path, Some(&settings.to_string())).status, 204);
        };
        // The redirect URI does not depend on the settings, so it can be registered at the third party first.
        put("https://id.example");
        let connectors = format!("/v1/organizations/{organization}/connectors?environment=production");
        let redirect_uri = server.call(&operator, "GET", &connectors, None).text("/data/0/redirect_uri");
        let provider = Provider::start(&redirect_uri);
        put(&provider.issuer);
        let (page, asked) = page();
        let world = Self { server, provider, operator, organization, page, asked };
        assert_eq!(world.manage("POST", "allowed-origins", &json!({"origin": world.page})).status, 201);
        world
    }

    fn manage(&self, method: &str, path: &str, body: &Value) -> support::Answer {
        let path = format!("/v1/organizations/{}/{path}", self.organization);
        self.server.call(&self.operator, method, &path, Some(&body.to_string()))
    }

    fn user(&self, key: &str, name: &str) -> String {
        let body = json!({ "origin_user_id": name }).to_string();
        self.server.call(key, "POST", "/v1/registered-users", Some(&body)).text("/id")
    }

    fn begin(&self, key: &str, user: &str, callback_url: &str) -> support::Answer {
        let body = json!({"registered_user_id": user, "connector": "oidc", "callback_url": callback_url});
        self.server.call(key, "POST", "/v1/link-sessions", Some(&body.to_string()))
    }

    /// Returns the confirmation that the backend's page received with a browser.
    fn confirmation(&self, begun: &support::Answer) -> String {
        let asked = self.asked.lock().unwrap().pop().unwrap();
        let told = format!("/done?mine=1&link_session_id={}&status=success&confirmation=", begun.text("/id"));
        asked.strip_prefix(&told).unwrap_or_else(|| panic!("{asked}")).to_owned()
    }

    fn complete(&self, key: &str, begun: &support::Answer, user: &str, confirmation: &str) -> support::Answer {
        let body = json!({"registered_user_id": user, "confirmation": confirmation}).to_string();
        self.server.call(key, "POST", &format!("/v1/link-sessions/{}/complete", begun.text("/id")), Some(&body))
    }

    fn done(&self) -> String {
        format!("http://{}/done?mine=1", self.page)
    }

    /// Returns the sealed tokens of a production user.
    fn tokens(&self, user: &str) -> Value {
        let text = std::fs::read_to_string(self.server.folder.path().join("doorward.db.sealing-key")).unwrap();
        let bytes: [u8; 32] = BASE64_STANDARD.decode(text.trim()).unwrap().try_into().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = SqliteStore::open(self.server.store(), OpenMode::Existing).await.unwrap();
            #[expect(clippy::disallowed_methods, reason = "a test reads its own store")]
            let scope = support::operator().scope(self.organization.parse().unwrap(), Environment::Production).unwrap();
            let key = doorward::records::CredentialKey {
                registered_user: user.parse().unwrap(),
                connector: "oidc".parse().unwrap(),
            };
            let found: Credential = Table::get(&store, &scope, &key).await.unwrap().unwrap();
            let sealing_key = SealingKeys::from(SealingKey::new(&Zeroizing::new(bytes)));
            let opened = sealing_key.open(&scope, &key.to_string(), &found.sealed).unwrap();
            serde_json::from_slice(&opened).unwrap()
        })
    }
}

#[test]
fn a_user_links_an_account_in_a_browser() {
    let world = World::new();
    let key = world.server.production_key.clone();
    let user = world.user(&key, "u1");
    let begun = world.begin(&key, &user, &world.done());
    assert_eq!(begun.status, 201, "{begun:?}");
    let start_url = begun.text("/start_url");
    let browser = Browser::start();
    for path in ["/oauth/callback/x?state=x", "/oauth/start/x"] {
        let looked = world.server.send("HEAD", path, &[], None);
        assert_eq!((looked.status, looked.headers["allow"].as_str()), (405, "GET"));
    }
    browser.go(&start_url);
    Provider::sign_in(&browser, "grace");
    browser.reads("landed");
    let confirmation = world.confirmation(&begun);

    // Nothing is stored before the backend has confirmed the user.
    let credential = format!("/v1/registered-users/{user}/credentials/oidc");
    assert_eq!(world.server.call(&key, "GET", &credential, None).status, 404);
    let completed = world.complete(&key, &begun, &user, &confirmation);
    assert_eq!((completed.status, completed.text("/status").as_str()), (200, "complete"), "{completed:?}");
    assert_eq!(world.complete(&key, &begun, &user, &confirmation).status, 409);

    // The OAuth server accepts the stored token, which exists only in this environment.
    let metadata = world.server.call(&key, "GET", &credential, None);
    assert_eq!(metadata.status, 200);
    let tokens = world.tokens(&user);
    let token = tokens["access_token"].as_str().unwrap();
    let userinfo = world.provider.issuer.trim_start_matches("http://").parse().unwrap();
    let request = format!("GET /me HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n");
    assert_eq!(support::send_bytes(userinfo, request.as_bytes()).unwrap().json()["sub"], "grace");
    let test_key = world.manage("POST", "access-keys", &json!({"name": "ci"})).text("/value");
    assert_eq!(world.server.call(&test_key, "GET", &credential, None).status, 404);

    // A start URL works only once.
    let start = start_url.rsplit('/').next().unwrap().to_owned();
    let again = world.server.send("GET", &format!("/oauth/start/{start}"), &[], None);
    assert!(again.status == 400 && again.body.starts_with("This link is not valid"), "{again:?}");
    assert_eq!(
        (again.headers["referrer-policy"].as_str(), again.headers["cache-control"].as_str()),
        ("no-referrer", "no-store")
    );

    // Neither token nor secret nor confirmation is in any file or log.
    let refresh = tokens["id_token"].as_str().unwrap_or("no id token");
    for secret in [token, refresh, Provider::SECRET, &confirmation, &start] {
        assert!(!world.server.output.lock().unwrap().contains(secret), "{secret} is in the log");
        for file in std::fs::read_dir(world.server.folder.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} lies on disk");
        }
    }
    assert!(world.server.output.lock().unwrap().lines().count() > 20, "the server's log is not verbose");

    // A deleted credential is revoked at the third party too.
    assert_eq!(world.server.call(&key, "DELETE", &credential, None).status, 204);
    let refused = || support::send_bytes(userinfo, request.as_bytes()).unwrap().status == 401;
    support::waits_for("the credential is not revoked", refused);
}

/// A user of the app begins a link and sends it to a person who is signed in at the third party.
#[test]
fn a_victim_who_follows_an_attackers_link_gives_nothing_away() {
    let world = World::new();
    let key = world.server.production_key.clone();
    let (attacker, victim) = (world.user(&key, "attacker"), world.user(&key, "victim"));
    for url in ["/start_url", "/authorize_url"] {
        let begun = world.begin(&key, &attacker, &world.done());
        let victims = Browser::start();
        victims.go(&begun.text(url));
        Provider::sign_in(&victims, "grace");
        victims.reads("landed");
        // The backend names the user who is signed in in that browser.
        let confirmation = world.confirmation(&begun);
        let refused = world.complete(&key, &begun, &victim, &confirmation);
        assert_eq!((refused.status, refused.code().as_str()), (409, "conflict"), "{refused:?}");
        assert_eq!(world.complete(&key, &begun, &attacker, &confirmation).status, 409);
        for user in [&attacker, &victim] {
            let credential = format!("/v1/registered-users/{user}/credentials/oidc");
            assert_eq!(world.server.call(&key, "GET", &credential, None).status, 404);
        }
        // The attacker also cannot finish the victim's link in his own browser.
        let attackers = Browser::start();
        attackers.go(&begun.text(url));
        attackers.reads("This link is not valid");
    }
}

#[test]
fn a_user_who_declines_comes_back_with_the_reason() {
    let world = World::new();
    let key = world.server.production_key.clone();
    let begun = world.begin(&key, &world.user(&key, "u1"), &world.done());
    let browser = Browser::start();
    browser.go(&begun.text("/start_url"));
    browser.click("a[href$=abort]");
    browser.reads("landed");
    let id = begun.text("/id");
    let expected = format!("/done?mine=1&link_session_id={id}&status=error&error=access_denied");
    assert_eq!(*world.asked.lock().unwrap(), [expected]);
    let session = world.server.call(&key, "GET", &format!("/v1/link-sessions/{id}"), None);
    assert_eq!((session.text("/status"), session.text("/error")), ("failed".into(), "access_denied".into()));
}

/// The list is checked again when the browser returns, so an origin that was removed in the meantime gets nothing.
#[test]
fn an_origin_that_was_removed_meanwhile_gets_nothing() {
    let world = World::new();
    let key = world.server.production_key.clone();
    let user = world.user(&key, "u1");
    let begun = world.begin(&key, &user, &world.done());
    let entry = world.manage("GET", "allowed-origins", &json!({})).text("/data/0/id");
    assert_eq!(world.manage("DELETE", &format!("allowed-origins/{entry}"), &json!({})).status, 200);
    let browser = Browser::start();
    browser.go(&begun.text("/start_url"));
    Provider::sign_in(&browser, "grace");
    browser.reads(&format!("unauthorized origin: `http://{}` is not on the list", world.page));
    let stopped_at = browser.url();
    assert!(stopped_at.starts_with(&format!("http://{}/oauth/callback/", world.server.address)), "{stopped_at}");
    assert!(world.asked.lock().unwrap().is_empty());
    let credential = format!("/v1/registered-users/{user}/credentials/oidc");
    assert_eq!(world.server.call(&key, "GET", &credential, None).status, 404, "nothing was exchanged");
    let code = stopped_at.split("code=").nth(1).unwrap().split('&').next().unwrap();
    assert!(code.len() > 20 && !world.server.output.lock().unwrap().contains(code), "the code is in the log");
    // An error is not sent there either.
    let begun = world.begin(&key, &user, &world.done());
    assert_eq!((begun.status, begun.code().as_str()), (403, "unauthorized_origin"));
    assert!(begun.text("/detail").contains(&format!("the entry that allows it is `{}`", world.page)), "{begun:?}");
}

#[test]
fn an_invalid_link_request_is_refused() {
    let world = World::new();
    let key = world.server.production_key.clone();
    let user = world.user(&key, "u1");
    let test_key = world.manage("POST", "access-keys", &json!({"name": "ci"})).text("/value");
    let test_user = world.user(&test_key, "u1");
    for (who, whose, url, status, code) in [
        (&key, user.as_str(), "https://evil.example/", 403, "unauthorized_origin"),
        (&key, &user, "javascript:alert(1)", 403, "unauthorized_origin"),
        (&key, &user, &format!("http://{}@evil.example/", world.page), 403, "unauthorized_origin"),
        (&key, &user, &format!("http://{}/done#x", world.page), 400, "invalid_request"),
        (&key, &test_user, &world.done(), 404, "not_found"),
        (&key, "ru_01h455vb4pex5vsknk084sn02q", &world.done(), 404, "not_found"),
        (&key, "nonsense", &world.done(), 404, "not_found"),
        // The connector belongs to production.
        (&test_key, &test_user, &world.done(), 404, "not_found"),
    ] {
        let refused = world.begin(who, whose, url);
        assert_eq!((refused.status, refused.code().as_str()), (status, code), "{url}: {refused:?}");
    }
    for query in ["", "?", "?state=", "?state=x&code=y", "?code=y", "?state=%00", "?error=access_denied"] {
        for path in ["", "/x"] {
            let refused = world.server.send("GET", &format!("/oauth/callback{path}{query}"), &[], None);
            assert!(refused.status == 400 && !refused.headers.contains_key("location"), "{query}: {refused:?}");
        }
    }
    let listed = world.manage("GET", "connectors?environment=production", &json!({}));
    assert_eq!(listed.json()["data"][0]["client_id"], "doorward");
    assert!(!listed.body.contains(Provider::SECRET) && !listed.body.contains("\"client_secret\""), "{listed:?}");
    for (settings, why) in [
        (
            json!({"authorization_endpoint": "http://a.example/", "token_endpoint": "https://a.example/", "client_id": "c"}),
            "https://",
        ),
        (
            json!({"authorization_endpoint": "https://a.example/", "token_endpoint": "nonsense", "client_id": "c"}),
            "token_endpoint",
        ),
        (
            json!({"authorization_endpoint": "https://a.example/", "token_endpoint": "https://a.example/", "client_id": ""}),
            "client_id",
        ),
        (
            json!({"authorization_endpoint": "https://a.example/", "token_endpoint": "https://a.example/", "client_id": "c",
                   "authorization_parameters": {"redirect_uri": "https://evil.example/"}}),
            "Doorward sets it",
        ),
    ] {
        let refused = world.manage("PUT", "connectors/other?environment=test", &settings);
        assert!(refused.status == 400 && refused.text("/detail").contains(why), "{refused:?}");
    }
    assert_eq!(world.manage("DELETE", "connectors/oidc?environment=test", &json!({})).status, 404);
    assert_eq!(world.manage("DELETE", "connectors/oidc?environment=production", &json!({})).status, 204);
    assert_eq!(world.begin(&key, &user, &world.done()).status, 404);
}
