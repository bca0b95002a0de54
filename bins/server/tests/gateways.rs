//! Behind a gateway: the answer that it asks for; nginx, Caddy and HAProxy themselves, with the configurations of the documentation; and
//! what Traefik and Envoy ask, which no package has.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use support::{Answer, Server};

const DOCUMENTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/gateways");

fn server() -> Server {
    Server::start_with(env!("CARGO_BIN_EXE_doorward-server").as_ref(), &[])
}

fn test_key(server: &Server, name: &str) -> Answer {
    let operator = server.operator(&format!("operator of {name}"));
    let organization = server.call(&server.production_key, "GET", "/v1/whoami", None).text("/organization/id");
    let keys = format!("/v1/organizations/{organization}/access-keys");
    server.call(&operator, "POST", &keys, Some(&json!({ "name": name }).to_string()))
}

#[test]
fn every_header_is_there_every_time_and_the_body_is_empty() {
    let server = server();
    let key = server.production_key.clone();
    let me = server.call(&key, "GET", "/v1/whoami", None);
    for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"] {
        for path in ["any", "production", "any/", "any/a/b?profile=test", "production/v1/whoami?x=%2f"] {
            let answer = server.call(&key, method, &format!("/v1/forward-auth/{path}"), Some("{}"));
            assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{method} {path}");
            let header = |name: &str| answer.headers[&format!("x-doorward-{name}")].clone();
            assert_eq!(header("organization"), me.text("/organization/id"));
            assert_eq!((header("environment"), header("key-id")), ("production".into(), me.text("/key/id")));
            assert_eq!(
                (header("key-name"), answer.headers["cache-control"].as_str()),
                ("production".into(), "no-store")
            );
        }
    }
    let test = test_key(&server, "東京 100%").text("/value");
    let answer = server.call(&test, "GET", "/v1/forward-auth/test", None);
    assert_eq!(answer.headers["x-doorward-key-name"], "%E6%9D%B1%E4%BA%AC 100%25");
}

#[test]
fn a_refusal_is_that_of_the_api_and_for_nginx_one_that_it_hands_on() {
    let server = server();
    let key = server.production_key.clone();
    let ask = |key: &str, profile: &str| server.call(key, "GET", &format!("/v1/forward-auth/{profile}"), None);
    for (profile, status, code) in
        [("test", 403, "wrong_environment"), ("nowhere", 404, "not_found"), ("nowhere-nginx", 404, "not_found")]
    {
        let refused = ask(&key, profile);
        assert_eq!((refused.status, refused.code().as_str()), (status, code), "{profile}");
        assert!(!refused.headers.contains_key("x-doorward-organization"));
    }
    let refused = ask("nonsense", "any-nginx");
    assert_eq!((refused.status, refused.headers["x-auth-status"].as_str()), (401, "401"));
    assert_eq!(refused.headers["www-authenticate"], "Bearer");
    let refused = ask(&key, "test-nginx");
    assert_eq!((refused.status, refused.headers["x-auth-status"].as_str()), (403, "403"));
    lose_the_store(&server);
    let refused = ask(&key, "any-nginx");
    assert_eq!((refused.status, refused.headers["x-auth-status"].as_str()), (403, "503"));
    assert_eq!((ask(&key, "any").status, refused.code().as_str()), (503, "not_current"));
}

/// From now on polls fail, and the node's lease runs out.
fn lose_the_store(server: &Server) {
    rusqlite::Connection::open(server.store()).unwrap().execute("DROP TABLE sessions", []).unwrap();
    let current = || server.send("GET", "/readyz", &[], None).status == 200;
    assert!((0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        !current()
    }));
}

/// Answers each request with the headers that it came with.
fn service() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let headers: serde_json::Map<String, Value> = lines
                .take_while(|line| !line.is_empty())
                .filter_map(|line| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), json!(value))))
                .collect();
            let body = Value::Object(headers).to_string();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all((head + &body).as_bytes());
        }
    });
    address
}

/// A gateway with the configuration of the documentation, in front of a service.
struct Gateway {
    process: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Gateway {
    /// Writes the documented files, with the addresses of the test, and what `whole` makes of the last of them; and starts the program.
    fn start(program: &str, files: &[&str], doorward: SocketAddr, whole: impl Fn(&str, &str) -> String) -> Self {
        // Gateways take no port of the system's choice; one that was free a moment ago is.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().to_str().unwrap();
        let addresses = [("127.0.0.1:8080", doorward), ("127.0.0.1:9000", service()), ("127.0.0.1:8000", address)];
        let mut all = String::new();
        for file in files {
            let mut text = std::fs::read_to_string(format!("{DOCUMENTED}/{file}")).unwrap();
            all += &text;
            for (documented, here) in &addresses {
                text = text.replace(documented, &here.to_string());
            }
            std::fs::write(folder.path().join(file), whole(&text, here)).unwrap();
        }
        for (documented, _) in addresses {
            assert!(all.contains(documented), "{documented} is in no file of {program}'s");
        }
        let arguments: &[&str] = match program {
            "nginx" => &["-p", here, "-c", "nginx.conf", "-e", "error.log"],
            "caddy" => &["run", "--config", "Caddyfile"],
            _ => &["-f", "haproxy.cfg"],
        };
        let process = Command::new(program)
            .args(arguments)
            .current_dir(&folder)
            .env("HOME", folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|_| panic!("{program} is missing: `cargo xtask test` installs it"));
        let up = || TcpStream::connect(address).is_ok();
        assert!(
            (0..200).any(|_| {
                std::thread::sleep(Duration::from_millis(25));
                up()
            }),
            "{program} does not start"
        );
        Self { process, address, _folder: folder }
    }

    fn nginx(doorward: SocketAddr) -> Self {
        Self::start("nginx", &["nginx.conf"], doorward, |site, folder| {
            let folders: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map(|name| format!("{name}_temp_path {folder}/{name};\n"))
                .concat();
            format!(
                "daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;\nevents {{}}\n\
                 http {{ access_log off;\n{folders}{site}}}\n"
            )
        })
    }

    fn caddy(doorward: SocketAddr) -> Self {
        Self::start("caddy", &["Caddyfile"], doorward, |site, _| format!("{{\n\tadmin off\n}}\n{site}"))
    }

    fn haproxy(doorward: SocketAddr) -> Self {
        Self::start("haproxy", &["haproxy.lua", "haproxy.cfg"], doorward, |text, _| text.to_owned())
    }

    fn ask(&self, headers: &[(&str, &str)]) -> Answer {
        let mut text = format!("POST /a/b?key=x HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        text += "Content-Length: 2\r\n";
        headers.iter().for_each(|(name, value)| text += &format!("{name}: {value}\r\n"));
        support::send_bytes(self.address, format!("{text}\r\n{{}}").as_bytes()).unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn nginx_lets_through_whom_doorward_knows_and_says_who_it_is() {
    lets_through_whom_doorward_knows(Gateway::nginx);
}

#[test]
fn caddy_lets_through_whom_doorward_knows_and_says_who_it_is() {
    lets_through_whom_doorward_knows(Gateway::caddy);
}

#[test]
fn haproxy_lets_through_whom_doorward_knows_and_says_who_it_is() {
    lets_through_whom_doorward_knows(Gateway::haproxy);
}

fn lets_through_whom_doorward_knows(start: impl Fn(SocketAddr) -> Gateway) {
    let server = server();
    let gateway = start(server.address);
    let authorization = format!("Bearer {}", server.production_key);
    let forged = ["Organization", "Environment", "Key-Id", "Key-Name"].map(|name| format!("X-Doorward-{name}"));
    let mut headers: Vec<(&str, &str)> = forged.iter().map(|name| (name.as_str(), "forged")).collect();

    let refused = gateway.ask(&headers);
    assert_eq!(refused.status, 401);
    assert_eq!(refused.headers["www-authenticate"], "Bearer");

    // Two of them are none, whichever a gateway would take.
    let twice = [("Authorization", authorization.as_str()), ("Authorization", "Bearer x")];
    assert!(matches!(gateway.ask(&twice).status, 400 | 401));
    headers.push(("Authorization", &authorization));
    let seen = gateway.ask(&headers);
    assert_eq!(seen.status, 200, "{seen:?}");
    let me = server.call(&server.production_key, "GET", "/v1/whoami", None);
    let header = |name: &str| seen.json()[format!("x-doorward-{name}")].as_str().unwrap().to_owned();
    assert_eq!((header("organization"), header("key-id")), (me.text("/organization/id"), me.text("/key/id")));
    assert_eq!((header("environment"), header("key-name")), ("production".into(), "production".into()));
    assert_eq!(seen.json().get("authorization"), None, "the service need not know the key");

    // Dead everywhere means: here too.
    let test = test_key(&server, "ci");
    let authorization = format!("Bearer {}", test.text("/value"));
    assert_eq!(gateway.ask(&[("Authorization", &authorization)]).status, 200);
    let organization = me.text("/organization/id");
    let operator = server.operator("ada");
    let path = format!("/v1/organizations/{organization}/access-keys/{}", test.text("/id"));
    assert_eq!(server.call(&operator, "DELETE", &path, None).status, 200);
    assert_eq!(gateway.ask(&[("Authorization", &authorization)]).status, 401);

    // A page in a browser, and a node that is late: with their own status, and not 500.
    let authorization = format!("Bearer {}", server.production_key);
    let page = [("Authorization", authorization.as_str()), ("Origin", "https://app.example.com")];
    assert_eq!(gateway.ask(&page).status, 403);
    lose_the_store(&server);
    let late = gateway.ask(&[("Authorization", &authorization)]);
    assert_eq!((late.status, late.headers["retry-after"].as_str()), (503, "1"));
    assert_eq!(late.text("/code"), "not_current");
}

/// Requests as Traefik v3 (`forward.go`) and Envoy (`ext_authz/ext_authz_http_impl.cc`) send them, and what each makes of an answer.
#[test]
fn what_traefik_and_envoy_ask_is_answered_as_they_want_it() {
    let server = server();
    let bearer = format!("Bearer {}", server.production_key);
    let traefik = [
        ("Accept-Encoding", "gzip"),
        ("User-Agent", "curl/8"),
        ("X-Forwarded-Method", "DELETE"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "api.example.com"),
        ("X-Forwarded-Uri", "/orders?page=2"),
        ("X-Forwarded-For", "203.0.113.7"),
        ("X-Forwarded-Port", "443"),
    ];
    // Envoy: the client's own method, its path after the prefix, a length and no body.
    let envoy = [
        ("X-Envoy-Internal", "true"),
        ("X-Forwarded-For", "203.0.113.7"),
        ("X-Request-Id", "a"),
        ("Content-Length", "0"),
    ];
    for (method, path, headers) in [
        ("GET", "/v1/forward-auth/production", &traefik[..]),
        ("DELETE", "/v1/forward-auth/production/orders?page=2", &envoy),
        ("POST", "/v1/forward-auth/production/orders/%2e%2e/x", &envoy),
        ("OPTIONS", "/v1/forward-auth/production/", &envoy),
    ] {
        let refused = server.send(method, path, headers, None);
        assert_eq!((refused.status, refused.headers["www-authenticate"].as_str()), (401, "Bearer"));
        let with_key = [headers, &[("Authorization", &*bearer)]].concat();
        let answer = server.send(method, path, &with_key, None);
        // Envoy lets through on 200 alone; Traefik reads the headers of any 2xx.
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{method} {path}");
        for name in ["organization", "environment", "key-id", "key-name"] {
            assert!(!answer.headers[&format!("x-doorward-{name}")].is_empty());
        }
    }
}
