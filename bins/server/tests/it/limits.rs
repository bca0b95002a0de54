//! Work with which a single client could block the server is limited, and ends with its client.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use serde_json::json;

use crate::dashboard::{Session, path_of};
use crate::support::{self, GUARD, Server};

fn start(options: &[&str]) -> Server {
    Server::start_with(env!("CARGO_BIN_EXE_doorward-server").as_ref(), options)
}

fn limited(server: &Server, kind: &str, by: &str) -> bool {
    let sample = format!("doorward_requests_limited_total{{kind=\"{kind}\",by=\"{by}\"}}");
    server.scrape().lines().any(|line| line.starts_with(&sample))
}

/// A server that never answers. It reports each new connection, and each connection that its client closes.
fn silent() -> (SocketAddr, Receiver<&'static str>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, sender) = (stream.unwrap(), sender.clone());
            std::thread::spawn(move || {
                let _ = sender.send("came");
                let mut chunk = [0; 4_096];
                while stream.read(&mut chunk).is_ok_and(|length| length > 0) {}
                let _ = sender.send("left");
            });
        }
    });
    (address, told)
}

/// A key with a user who has a credential for the silent server.
struct Caller<'a> {
    server: &'a Server,
    key: String,
    user: String,
}

impl<'a> Caller<'a> {
    fn new(server: &'a Server, operator: &str, environment: &str, key: String, upstream: SocketAddr) -> Self {
        let organization = server.call(&key, "GET", "/v1/whoami", None).text("/organization/id");
        let connector = format!("/v1/organizations/{organization}/connectors/crm?environment={environment}");
        let settings = json!({"upstream": {"protocol": "http", "url": format!("http://{upstream}/")}}).to_string();
        assert_eq!(server.call(operator, "PUT", &connector, Some(&settings)).status, 204);
        let user = server.call(&key, "POST", "/v1/registered-users", Some(r#"{"origin_user_id":"u1"}"#)).text("/id");
        let credential = format!("/v1/registered-users/{user}/credentials/crm");
        assert_eq!(server.call(&key, "PUT", &credential, Some(r#"{"secret":"t"}"#)).status, 204);
        Self { server, key, user }
    }

    /// Sends a call of the connector without waiting for its answer.
    fn call(&self) -> TcpStream {
        let arguments = json!({"registered_user_id": self.user, "connector": "crm", "tool": "t"});
        let params = json!({"name": "call_connector_tool", "arguments": arguments});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
        let mut stream = TcpStream::connect(self.server.address).unwrap();
        stream.set_read_timeout(Some(GUARD)).unwrap();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n",
            self.key,
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).unwrap();
        stream
    }
}

/// Reads to the end of the connection.
fn answer(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_keys_connector_calls_are_limited_and_end_with_their_client() {
    let server = start(&["--max-connector-calls-per-key", "2"]);
    let (operator, (upstream, told)) = (server.operator("ada"), silent());
    let organization = server.call(&server.production_key, "GET", "/v1/whoami", None).text("/organization/id");
    let keys = format!("/v1/organizations/{organization}/access-keys");
    let test_key = server.call(&operator, "POST", &keys, Some(r#"{"name":"ci"}"#)).text("/value");
    let production = Caller::new(&server, &operator, "production", server.production_key.clone(), upstream);
    let test = Caller::new(&server, &operator, "test", test_key, upstream);
    let next = || told.recv_timeout(GUARD).unwrap();

    let mut calls = Vec::new();
    for _ in 0..2 {
        calls.push(production.call());
        assert_eq!(next(), "came");
    }
    assert!(answer(production.call()).contains("too_many_requests"));
    assert!(limited(&server, "connector_calls", "key"));
    // Another key has its own limit.
    calls.push(test.call());
    assert_eq!(next(), "came");
    // If a client leaves, its call ends and another call can begin.
    drop(calls.remove(0));
    assert_eq!(next(), "left");
    calls.push(production.call());
    assert_eq!(next(), "came");
    support::waits_for("a line of the log", || server.output.lock().unwrap().contains("a client was limited"));
}

#[test]
fn connector_calls_and_scans_have_a_global_limit() {
    let server = start(&["--max-connector-calls", "0", "--max-scans", "0"]);
    let (operator, (upstream, _told)) = (server.operator("ada"), silent());
    let caller = Caller::new(&server, &operator, "production", server.production_key.clone(), upstream);
    assert!(answer(caller.call()).contains("overloaded"));
    assert!(limited(&server, "connector_calls", "all"));

    let refused = server.call(&caller.key, "GET", "/v1/audit-events?action=access_key.created", None);
    assert_eq!((refused.status, refused.code().as_str()), (503, "overloaded"));
    assert_eq!(refused.headers["retry-after"], "1");
    assert!(limited(&server, "scans", "all"));
    // A page without a filter reads only what it shows.
    assert_eq!(server.call(&caller.key, "GET", "/v1/audit-events", None).status, 200);
}

#[test]
fn scans_are_limited_for_each_key_and_operator() {
    let server = start(&["--max-scans-per-key", "0"]);
    let operator = server.operator("ada");
    let organization = server.call(&server.production_key, "GET", "/v1/whoami", None).text("/organization/id");
    let events = format!("/v1/organizations/{organization}/audit-events");
    let refused = [
        server.call(&server.production_key, "GET", "/v1/audit-events?actor=ada", None),
        server.call(&operator, "GET", &format!("{events}?environment=production&actor=ada"), None),
        server.call(&operator, "GET", &format!("{events}/export?environment=production"), None),
    ];
    for refused in refused {
        assert_eq!((refused.status, refused.code().as_str()), (429, "too_many_requests"));
        assert_eq!(refused.headers["retry-after"], "1");
    }
    assert!(limited(&server, "scans", "key") && limited(&server, "scans", "operator"));

    // The page uses the same budget.
    let session = Session::new(&server, path_of(&server.sign_in_link));
    let audit = format!("{}/audit", session.page);
    assert_eq!(session.get(&audit).status, 200);
    for query in ["?actor=ada", "?verify=1"] {
        let refused = session.get(&format!("{audit}{query}"));
        assert_eq!((refused.status, refused.headers["retry-after"].as_str()), (429, "1"), "{refused:?}");
        assert!(refused.body.contains("wait for some of them to end"), "{refused:?}");
    }
    assert_eq!(session.post("/audit/export", "environment=test").status, 429);
}
