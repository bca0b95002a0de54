//! Links accounts over HTTP, with a third party that the test controls, and browsers that are only cookies.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, GUARD, Server};

/// A third party: reports each request, and waits for the test's answer.
struct ThirdParty {
    url: String,
    asked: Receiver<(String, String)>,
    answers: Sender<String>,
}

impl ThirdParty {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let ((tell, asked), (answers, to_answer)) = (channel(), channel::<String>());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (head, body) = read(stream.as_ref().unwrap());
                let path = head.split(' ').nth(1).unwrap().to_owned();
                let (Ok(()), Ok(answer)) = (tell.send((path, body)), to_answer.recv()) else { return };
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    answer.len()
                );
                let _ = stream.unwrap().write_all(format!("{head}{answer}").as_bytes());
            }
        });
        Self { url, asked, answers }
    }

    fn answer(&self, answer: &str) {
        self.answers.send(answer.to_owned()).unwrap();
    }

    /// Returns the next request.
    fn asked(&self) -> (String, String) {
        self.asked.recv_timeout(GUARD).unwrap()
    }
}

fn read(stream: &TcpStream) -> (String, String) {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
        head += &line;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

const TOKENS: &str =
    r#"{"access_token":"at-of-the-account","token_type":"bearer","refresh_token":"rt-of-the-account"}"#;

struct World {
    server: Server,
    third_party: ThirdParty,
    operator: String,
    organization: String,
}

/// A link that a browser has begun.
struct Begun {
    id: String,
    cookie: String,
    /// The path of the redirect URI with the state.
    back: String,
}

impl World {
    fn new() -> Self {
        let server = Server::start(env!("CARGO_BIN_EXE_doorward-server").as_ref());
        let operator = server.operator("ada");
        let organization = server.call(&server.production_key, "GET", "/v1/whoami", None).text("/organization/id");
        let world = Self { server, third_party: ThirdParty::start(), operator, organization };
        assert_eq!(world.manage("POST", "allowed-origins", &json!({"origin": "app.example.com"})).status, 201);
        for environment in ["production", "test"] {
            let url = &world.third_party.url;
            let settings = json!({
                "authorization_endpoint": "https://id.example/authorize", "token_endpoint": format!("{url}/token"),
                "revocation_endpoint": format!("{url}/revoke"), "client_id": "c", "client_secret": "the client is it",
            });
            let path = format!("connectors/github?environment={environment}");
            assert_eq!(world.manage("PUT", &path, &settings).status, 204);
        }
        world
    }

    fn manage(&self, method: &str, path: &str, body: &Value) -> Answer {
        let path = format!("/v1/organizations/{}/{path}", self.organization);
        self.server.call(&self.operator, method, &path, Some(&body.to_string()))
    }

    fn key(&self) -> &str {
        &self.server.production_key
    }

    fn user(&self, name: &str) -> String {
        let body = json!({ "origin_user_id": name }).to_string();
        self.server.call(self.key(), "POST", "/v1/registered-users", Some(&body)).text("/id")
    }

    fn begin(&self, user: &str) -> Answer {
        let callback_url = "https://app.example.com/done";
        let body = json!({"registered_user_id": user, "connector": "github", "callback_url": callback_url});
        let begun = self.server.call(self.key(), "POST", "/v1/link-sessions", Some(&body.to_string()));
        assert_eq!(begun.status, 201, "{begun:?}");
        begun
    }

    fn path<'a>(&self, url: &'a str) -> &'a str {
        url.strip_prefix(&format!("http://{}", self.server.address)).unwrap_or_else(|| panic!("{url}"))
    }

    /// Begins in a new browser.
    fn begin_in_a_browser(&self, user: &str) -> Begun {
        let begun = self.begin(user);
        let opened = self.server.send("GET", self.path(&begun.text("/start_url")), &[], None);
        assert_eq!(opened.status, 303, "{opened:?}");
        let location = &opened.headers["location"];
        assert!(location.starts_with("https://id.example/authorize?"), "{location}");
        let parameter = |name: &str| {
            let value = location.split(&format!("{name}=")).nth(1).unwrap().split('&').next().unwrap();
            value.replace("%3A", ":").replace("%2F", "/")
        };
        let back = format!("{}?state={}", self.path(&parameter("redirect_uri")), parameter("state"));
        let cookie = opened.headers["set-cookie"].split(';').next().unwrap().to_owned();
        Begun { id: begun.text("/id"), cookie, back }
    }

    /// Returns from the third party, and closes the connection during the exchange.
    fn leave_in_the_middle(&self, begun: &Begun) {
        let mut stream = TcpStream::connect(self.server.address).unwrap();
        let request = format!("GET {}&code=c HTTP/1.1\r\nHost: x\r\nCookie: {}\r\n\r\n", begun.back, begun.cookie);
        stream.write_all(request.as_bytes()).unwrap();
        assert_eq!(self.third_party.asked().0, "/token");
    }

    fn come_back(&self, begun: &Begun) -> Answer {
        let path = format!("{}&code=c", begun.back);
        self.server.send("GET", &path, &[("Cookie", &begun.cookie)], None)
    }

    /// Goes as far as the confirmation.
    fn confirmed(&self, user: &str) -> (Begun, String) {
        let begun = self.begin_in_a_browser(user);
        self.third_party.answer(TOKENS);
        let back = self.come_back(&begun);
        assert_eq!(self.third_party.asked().0, "/token");
        let confirmation = confirmation(&begun, &back);
        (begun, confirmation)
    }

    fn complete(&self, key: &str, begun: &Begun, user: &str, confirmation: &str) -> Answer {
        let body = json!({"registered_user_id": user, "confirmation": confirmation}).to_string();
        self.server.call(key, "POST", &format!("/v1/link-sessions/{}/complete", begun.id), Some(&body))
    }

    fn session(&self, key: &str, begun: &Begun) -> Answer {
        self.server.call(key, "GET", &format!("/v1/link-sessions/{}", begun.id), None)
    }

    fn credential(&self, user: &str) -> Answer {
        self.server.call(self.key(), "GET", &format!("/v1/registered-users/{user}/credentials/github"), None)
    }
}

fn confirmation(begun: &Begun, back: &Answer) -> String {
    assert_eq!(back.status, 303, "{back:?}");
    let told = format!("https://app.example.com/done?link_session_id={}&status=success&confirmation=", begun.id);
    back.headers["location"].strip_prefix(&told).unwrap_or_else(|| panic!("{back:?}")).to_owned()
}

#[test]
fn a_link_runs_from_its_start_to_its_confirmation() {
    let world = World::new();
    let user = world.user("u1");
    let begun = world.begin(&user);
    // The third party's own URL would accept anyone who has it, so it is not in the answer.
    assert_eq!(begun.text("/authorize_url"), begun.text("/start_url"));
    let start = begun.text("/start_url");
    let opened = world.server.send("GET", world.path(&start), &[], None);
    let id = begun.text("/id");
    let attributes = "; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=1800";
    let cookie = &opened.headers["set-cookie"];
    assert!(cookie.starts_with(&format!("__Host-doorward-link-{id}=")) && cookie.ends_with(attributes), "{cookie}");
    assert_eq!((&*opened.headers["cache-control"], &*opened.headers["referrer-policy"]), ("no-store", "no-referrer"));
    let listed = world.manage("GET", "connectors?environment=production", &json!({}));
    let redirect_uri = listed.text("/data/0/redirect_uri").replace(':', "%3A").replace('/', "%2F");
    assert!(opened.headers["location"].contains(&format!("redirect_uri={redirect_uri}&")), "{opened:?} {redirect_uri}");
    let revocation_endpoint = format!("{}/revoke", world.third_party.url);
    assert_eq!(listed.text("/data/0/revocation_endpoint"), revocation_endpoint);

    let (begun, confirmation) = world.confirmed(&user);
    assert_eq!(
        (world.credential(&user).status, world.session(world.key(), &begun).text("/status")),
        (404, "pending".into())
    );
    let completed = world.complete(world.key(), &begun, &user, &confirmation);
    assert_eq!((completed.status, completed.text("/status").as_str()), (200, "complete"), "{completed:?}");
    assert_eq!(completed.text("/registered_user_id"), user);
    assert_eq!(world.session(world.key(), &begun).json(), completed.json());
    assert_eq!(world.credential(&user).status, 200);
    for secret in [&confirmation, "at-of-the-account", "rt-of-the-account", start.rsplit('/').next().unwrap()] {
        assert!(!world.server.output.lock().unwrap().contains(secret), "{secret} is in the log");
        assert!(!completed.body.contains(secret), "{secret} is in the answer");
        for file in std::fs::read_dir(world.server.folder.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} lies on disk");
        }
    }
}

#[test]
fn a_wrong_confirmation_is_409_and_a_foreign_session_404() {
    let world = World::new();
    let (user, other) = (world.user("u1"), world.user("u2"));
    let (begun, confirmation) = world.confirmed(&user);
    let test_key = world.manage("POST", "access-keys", &json!({"name": "ci"})).text("/value");
    let elsewhere = world.complete(&test_key, &begun, &user, &confirmation);
    let nowhere = Begun { id: "ls_01h455vb4pex5vsknk084sn02q".into(), cookie: String::new(), back: String::new() };
    assert_eq!((elsewhere.status, elsewhere.code().as_str()), (404, "not_found"));
    let absent = world.complete(&test_key, &nowhere, &user, &confirmation);
    assert_eq!(elsewhere.without_request(), absent.without_request());
    let read = (world.session(&test_key, &begun), world.session(&test_key, &nowhere));
    assert_eq!((read.0.status, read.0.without_request()), (404, read.1.without_request()));
    for wrong in ["", "x", &"x".repeat(43)] {
        let refused = world.complete(world.key(), &begun, &user, wrong);
        assert_eq!((refused.status, refused.code().as_str()), (409, "conflict"), "{refused:?}");
        assert!(!refused.body.contains(&confirmation));
    }
    assert_eq!(world.session(world.key(), &begun).text("/status"), "pending");
    for (bad, status) in [(json!({}), 400), (json!({"registered_user_id": user, "confirmation": 1}), 400)] {
        let path = format!("/v1/link-sessions/{}/complete", begun.id);
        assert_eq!(world.server.call(world.key(), "POST", &path, Some(&bad.to_string())).status, status);
    }
    // Another user ends the session, and its tokens are revoked.
    let refused = world.complete(world.key(), &begun, &other, &confirmation);
    assert_eq!((refused.status, refused.code().as_str()), (409, "conflict"), "{refused:?}");
    for answer in ["{}", "{}"] {
        world.third_party.answer(answer);
    }
    for token in ["rt-of-the-account", "at-of-the-account"] {
        let (path, form) = world.third_party.asked();
        assert!(path == "/revoke" && form.starts_with(&format!("token={token}&token_type_hint=")), "{path} {form}");
    }
    assert_eq!(world.complete(world.key(), &begun, &user, &confirmation).status, 409);
    let failed = world.session(world.key(), &begun);
    assert_eq!((failed.text("/status"), failed.text("/error")), ("failed".into(), "other_user".into()));
    assert_eq!((world.credential(&user).status, world.credential(&other).status), (404, 404));
}

#[test]
fn another_browser_is_not_redirected() {
    let world = World::new();
    let user = world.user("u1");
    let (begun, others) = (world.begin_in_a_browser(&user), world.begin_in_a_browser(&user));
    for cookie in ["", "a=b", &others.cookie] {
        let refused = world.server.send("GET", &format!("{}&code=c", begun.back), &[("Cookie", cookie)], None);
        assert_eq!((refused.status, refused.headers.get("location")), (400, None));
        assert!(refused.body.starts_with("This link was begun in another browser"), "{refused:?}");
    }
    // Of several cookies, the session finds its own.
    let all = Begun { cookie: format!("a=b; {}; {}", others.cookie, begun.cookie), ..begun };
    world.third_party.answer(TOKENS);
    confirmation(&all, &world.come_back(&all));
}

/// The browser closes the connection during the exchange, and comes back.
#[test]
fn a_browser_that_leaves_in_the_middle_loses_nothing() {
    let world = World::new();
    let user = world.user("u1");
    let begun = world.begin_in_a_browser(&user);
    world.leave_in_the_middle(&begun);
    assert_eq!(world.session(world.key(), &begun).text("/status"), "begun");
    world.third_party.answer(TOKENS);
    let confirmation = confirmation(&begun, &world.come_back(&begun));
    assert_eq!(world.complete(world.key(), &begun, &user, &confirmation).status, 200);
    assert!(world.third_party.asked.try_recv().is_err(), "the code was exchanged once");
}

/// A server that is told to stop first ends the exchange that a browser left behind.
#[test]
fn a_server_does_not_stop_in_the_middle_of_an_exchange() {
    let World { server, third_party, .. } = {
        let world = World::new();
        let user = world.user("u1");
        let begun = world.begin_in_a_browser(&user);
        world.leave_in_the_middle(&begun);
        world
    };
    let answers = third_party.answers.clone();
    let output = std::sync::Arc::clone(&server.output);
    std::thread::spawn(move || {
        while !output.lock().unwrap().contains("draining") {
            std::thread::sleep(Duration::from_millis(10));
        }
        answers.send(TOKENS.to_owned()).unwrap();
    });
    let (status, folder) = server.stop();
    assert!(status.success());
    let store = rusqlite::Connection::open(folder.path().join("doorward.db")).unwrap();
    let pending: String = store.query_row("SELECT status FROM links", [], |row| row.get(0)).unwrap();
    assert_eq!(pending, "pending");
}

#[test]
fn a_removed_credential_is_revoked_at_the_third_party() {
    let world = World::new();
    let user = world.user("u1");
    let path = format!("/v1/registered-users/{user}/credentials/github");
    let user_path = format!("/v1/registered-users/{user}");
    let replace = json!({"secret": "brought"}).to_string();
    for (method, path, body) in [("DELETE", &path, None), ("PUT", &path, Some(&*replace)), ("DELETE", &user_path, None)]
    {
        let (begun, confirmation) = world.confirmed(&user);
        assert_eq!(world.complete(world.key(), &begun, &user, &confirmation).status, 200);
        assert_eq!(world.server.call(world.key(), method, path, body).status, 204);
        for token in ["rt-of-the-account", "at-of-the-account"] {
            world.third_party.answer("{}");
            let (path, form) = world.third_party.asked();
            assert!(path == "/revoke" && form.starts_with(&format!("token={token}&token_type_hint=")), "{path} {form}");
        }
    }
}
