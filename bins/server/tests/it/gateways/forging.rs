//! A client with a valid key forges headers to impersonate another.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::time::Duration;

use super::program::{Program, behind_every_gateway};
use super::service::Wsgi;
use super::{Behind, Gateway, Service, lines_of, server, who_it_is};
use crate::support::free_address;

behind_every_gateway! {
    a_wsgi_service_gets_no_forged_header,
    a_connection_header_removes_none_of_doorwards_headers,
    malformed_lines_forge_nothing,
    trailers_forge_nothing,
    no_tunnel_bypasses_the_gateway,
    no_path_bypasses_the_gateway,
}

/// Doorward's header names, and a name that a later version might add.
const NAMES: [&str; 6] = ["Organization", "Environment", "Key-Id", "Key-Name", "Assertion", "Later"];

/// Spellings of a header name that a service could read as Doorward's.
fn spellings(name: &str) -> Vec<String> {
    let plain = format!("X-Doorward-{name}");
    let mut spellings: Vec<String> = ["-", "_", ".", "!", "+"].map(|sign| plain.replace('-', sign)).into();
    spellings.extend([
        plain.to_uppercase(),
        format!("x_doorward-{name}"),
        format!("X-Doorward_{}", name.replace('-', "_")),
    ]);
    spellings
}

/// WSGI treats `-` and `_` as equal, and joins two headers into one value.
fn a_wsgi_service_gets_no_forged_header(program: Program) {
    let (server, service) = (server(), Wsgi::start());
    let gateway = Gateway::start(program, server.address, service.address);
    let who: Vec<_> = who_it_is(&server).into_iter().collect();
    for name in NAMES {
        for spelled in spellings(name) {
            // If `Connection` names Doorward's headers, some gateways remove them after they were set.
            for connection in ["close", "close, X-Doorward-Organization, x-doorward-environment, X-Doorward-Key-Id"] {
                let lines = format!("Connection: {connection}\r\n{spelled}: org_victim\r\n");
                let answer = gateway.send(&server.production_key, &lines);
                assert!(!answer.body.contains("victim"), "{lines}{answer:?}");
                // nginx cannot remove headers by the start of their names, so Doorward refuses such a request.
                if program == Program::Nginx && answer.status == 400 {
                    assert!(spelled.eq_ignore_ascii_case("X-Doorward-Later"), "{lines}{answer:?}");
                    assert_eq!(answer.code(), "malformed_request");
                    continue;
                }
                assert_eq!(answer.status, 200, "{lines}{answer:?}");
                let read = answer.json();
                let ours = read.as_object().unwrap().iter().filter(|(name, _)| name.contains("DOORWARD"));
                let ours = ours.map(|(name, value)| {
                    let name = name.trim_start_matches("HTTP_").replace('_', "-").to_lowercase();
                    (name, vec![value.as_str().unwrap().to_owned()])
                });
                assert_eq!(ours.collect::<Vec<_>>(), who, "{lines}");
            }
        }
    }
}

/// Headers that `Connection` names are for one hop (RFC 9110, section 7.6.1). A gateway removes them, and a service may too.
fn a_connection_header_removes_none_of_doorwards_headers(program: Program) {
    let behind = Behind::start(program);
    let key = behind.server.production_key.clone();
    for lines in [
        "Connection: X-Doorward-Organization\r\n",
        "Connection: close, X-Doorward-Organization, X-Doorward-Environment, X-Doorward-Key-Id, X-Doorward-Key-Name\r\n",
        "connection: keep-alive\r\nCONNECTION: x-doorward-key-id\r\n",
        "Connection: X_Doorward_Organization,X-Doorward-Key-Name\r\nX_Doorward_Organization: forged\r\n",
        "Proxy-Connection: X-Doorward-Organization\r\nKeep-Alive: X-Doorward-Organization\r\n",
        "Connection: Upgrade, X-Doorward-Organization\r\nUpgrade: h2c\r\n",
    ] {
        let answer = behind.gateway.send(&key, lines);
        assert!(behind.is_told_the_truth(&answer), "{lines}{answer:?}");
        let named = lines_of(&answer, "head").into_iter().filter(|(name, _)| name == "connection");
        assert_eq!(
            named.filter(|(_, value)| value.to_lowercase().contains("doorward")).count(),
            0,
            "{lines}{answer:?}"
        );
    }
}

/// A request with a line that gateways and services may read differently is refused, or forges nothing.
fn malformed_lines_forge_nothing(program: Program) {
    let behind = Behind::start(program);
    for lines in [
        "X-Doorward-Organization: org_a, org_b\r\n",
        "X-Doorward-Organization: org_a\r\nx-doorward-organization: org_b\r\n",
        "X-Doorward-Organization:\r\n",
        "X-Doorward-Organization:\r\n org_a\r\n",
        "X-Other: a\r\n X-Doorward-Organization: org_a\r\n",
        "X-Other: a\r\n\tX_Doorward_Organization: org_a\r\n",
        "X-Doorward-Organization : org_a\r\n",
        "X_Doorward_Organization\t: org_a\r\n",
        " X_Doorward_Organization: org_a\r\n",
        "X-Other: a\nX_Doorward_Organization: org_a\r\n",
        "X-Other: a\rX_Doorward_Organization: org_a\r\n",
        "X-Doorward-Organization\0: org_a\r\n",
        "X-Doorward-Örganization: org_a\r\n",
        "X-Doorward: org_a\r\n",
    ] {
        let answer = behind.send(lines);
        assert!(matches!(answer.status, 400 | 401) || behind.is_told_the_truth(&answer), "{lines:?} {answer:?}");
    }
    // Other forms of a request. Envoy does not support HTTP/1.0.
    let (key, host) = (&behind.server.production_key, behind.gateway.address);
    for (line, refused) in [(format!("GET http://{host}/a HTTP/1.1"), 400), ("GET / HTTP/1.0".to_owned(), 426)] {
        let lines = format!("Host: {host}\r\nAuthorization: Bearer {key}\r\nX_Doorward_Organization: org_a\r\n");
        let answer = behind.gateway.send_raw(&format!("{line}\r\n{lines}\r\n")).unwrap();
        assert!(answer.status == refused || behind.is_told_the_truth(&answer), "{line} {answer:?}");
    }
}

fn trailers_forge_nothing(program: Program) {
    let behind = Behind::start(program);
    for announced in ["", "Trailer: X-Doorward-Organization\r\n"] {
        let trailers = "X-Doorward-Organization: org_a\r\nX_Doorward_Organization: org_a\r\n";
        let lines = format!("Transfer-Encoding: chunked\r\n{announced}\r\n2\r\n{{}}\r\n0\r\n{trailers}");
        let answer = behind.send(&lines);
        assert!(behind.is_told_the_truth(&answer), "{lines}{answer:?}");
        assert_eq!(answer.json()["body"], 2);
        // HAProxy before 3.2 forwards them as trailers, not among the headers.
        if program != Program::Haproxy {
            assert_eq!(lines_of(&answer, "trailers"), []);
        }
    }
}

/// Inside a tunnel, a client could send a second request with forged headers, since only the first request's key was checked.
fn no_tunnel_bypasses_the_gateway(program: Program) {
    let behind = Behind::start(program);
    let key = &behind.server.production_key;
    let protocols = [
        "h2c",
        "TLS/1.0",
        "websocket, h2c",
        "h2c, websocket",
        "websocket\r\nUpgrade: h2c",
        "h2c\r\nUpgrade: websocket",
    ];
    let upgrades = protocols.map(|protocols| {
        let lines =
            format!("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: {protocols}\r\nHTTP2-Settings: AAMAAABk\r\n");
        (format!("GET / HTTP/1.1\r\nHost: {}\r\n", behind.gateway.address), lines)
    });
    let connect = [behind.gateway.address, behind.service.address]
        .map(|target| (format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"), String::new()));
    for (line, lines) in upgrades.into_iter().chain(connect) {
        let mut stream = TcpStream::connect(behind.gateway.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(stream, "{line}Authorization: Bearer {key}\r\n{lines}\r\n").unwrap();
        let mut received = [0; 512];
        let length = stream.read(&mut received).unwrap_or_default();
        let answer = String::from_utf8_lossy(&received[..length]).into_owned();
        // If two lines name two protocols, some services choose the first.
        let switched = answer.starts_with("HTTP/1.1 101");
        assert!(!switched || answer.to_lowercase().contains("\nupgrade: websocket\r"), "{line}{lines}{answer}");
        assert!(!(line.starts_with("CONNECT") && answer.starts_with("HTTP/1.1 200")), "{line}{answer}");
        // Send the second request, even if the gateway expects other bytes.
        let _ = stream.write_all(
            b"GET /second HTTP/1.1\r\nHost: a\r\nX-Doorward-Organization: org_victim\r\nConnection: close\r\n\r\n",
        );
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    for head in behind.service.heads() {
        assert!(!head.contains("victim") && !head.starts_with("CONNECT"), "{head}");
        let head = head.to_lowercase();
        let upgrades: Vec<_> = head.lines().filter_map(|line| line.strip_prefix("upgrade:")).map(str::trim).collect();
        assert!(upgrades.is_empty() || upgrades == ["websocket"], "{head}");
    }
}

/// No path is answered without a key, and no path reaches another path of Doorward than the configured one.
fn no_path_bypasses_the_gateway(program: Program) {
    let behind = Behind::start(program);
    let host = behind.gateway.address;
    for path in [
        "/x/../public",
        "/../../../healthz",
        "/%2e%2e/%2e%2e/%2e%2e/healthz",
        "/..;/..;/healthz",
        "/\\..\\..\\healthz",
        "//healthz",
        "/_doorward",
        "/v1/forward-auth/any",
        "*",
    ] {
        for method in ["GET", "OPTIONS", "TRACE"] {
            let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let answer = behind.gateway.send_raw(&request);
            // Caddy and Traefik answer `OPTIONS *` themselves.
            let status = answer.map_or(400, |answer| answer.status);
            assert!((400..=501).contains(&status) || path == "*", "{method} {path}: {status}");
        }
    }
    assert_eq!(behind.service.heads(), [""; 0]);
}

/// HTTP/2 header names are the same bytes. HAProxy, Envoy and Traefik accept HTTP/2 without TLS too.
#[test]
fn http2_forges_nothing() {
    for program in [Program::Envoy, Program::Haproxy, Program::Traefik] {
        let behind = Behind::start(program);
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--http2-prior-knowledge",
            "--max-time",
            "30",
            "--write-out",
            "\n%{http_version} %{http_code}",
        ]);
        curl.arg("--header").arg(format!("Authorization: Bearer {}", behind.server.production_key));
        for name in NAMES.iter().flat_map(|name| spellings(name)) {
            curl.arg("--header").arg(format!("{name}: org_victim"));
        }
        let output = curl.arg(format!("http://{}/", behind.gateway.address)).output().unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        let (body, outcome) = output.rsplit_once('\n').unwrap();
        assert_eq!(outcome, "2 200", "{program:?} {output}");
        let answer = crate::support::Answer { status: 200, headers: [].into(), body: body.to_owned() };
        assert!(behind.is_told_the_truth(&answer), "{program:?} {answer:?}");
    }
}

/// HAProxy continues with a request whose Lua action failed.
#[test]
fn a_failed_lua_action_lets_no_request_pass() {
    let (server, service) = (server(), Service::start());
    let break_off = |file: &str, text: String| match file {
        "haproxy.lua" => text.replace("core.httpclient()", "nothing()"),
        _ => text,
    };
    let gateway = Gateway::start_edited(Program::Haproxy, server.address, service.address, break_off);
    assert_eq!(gateway.send(&server.production_key, "").status, 503);
    assert_eq!(service.heads(), [""; 0]);
}

/// Another part of a configuration may allow names with underscores: then nginx does not start.
#[test]
fn nginx_does_not_start_with_a_looser_header_setting() {
    let text = std::fs::read_to_string(super::program::documented("nginx.conf")).unwrap();
    for (setting, starts) in
        [("server_tokens off;", true), ("underscores_in_headers on;", false), ("ignore_invalid_headers off;", false)]
    {
        let folder = tempfile::tempdir().unwrap();
        let text = text.replace("127.0.0.1:8000", &free_address().to_string());
        let text = Program::Nginx.whole(&format!("{setting}\n{text}"));
        std::fs::write(folder.path().join("nginx.conf"), text).unwrap();
        let tried = Program::Nginx.command().arg("-t").current_dir(&folder).status().unwrap();
        assert_eq!(tried.success(), starts, "{setting}");
    }
}
