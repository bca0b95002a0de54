//! Bad input gets a clear answer, and changes nothing.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::{Answer, GUARD, Server};

fn server() -> Server {
    Server::start(env!("CARGO_BIN_EXE_doorward-server").as_ref())
}

fn is_a_clear_problem(answer: &Answer, code: &str, case: &str) {
    assert_eq!(answer.headers.get("content-type").map(String::as_str), Some("application/problem+json"), "{case}");
    assert_eq!(answer.headers.get("cache-control").map(String::as_str), Some("no-store"), "{case}");
    let json = answer.json();
    assert_eq!(json["code"], code, "{case}: {answer:?}");
    assert_eq!(json["status"], answer.status, "{case}");
    assert!(json["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{case}");
    assert!(json["title"].is_string() && json["type"].is_string(), "{case}");
}

#[test]
fn every_fault_of_a_body_has_its_own_error_and_changes_nothing() {
    let server = server();
    let key = &server.production_key;
    let bearer = format!("Bearer {key}");
    let path = "/v1/registered-users";
    let before = server.call(key, "GET", path, None).body;
    let name_of_129 = format!(r#"{{"origin_user_id":"{}"}}"#, "x".repeat(129));
    let deep = "[".repeat(30_000);
    for (case, body) in [
        ("no body", ""),
        ("no JSON", "origin_user_id=u1"),
        ("cut off", r#"{"origin_user_id":"u1""#),
        ("something behind", r#"{"origin_user_id":"u1"} x"#),
        ("an array", r#"["u1"]"#),
        ("null", "null"),
        ("a missing field", "{}"),
        ("an unknown field", r#"{"origin_user_id":"u1","admin":true}"#),
        ("the same field twice", r#"{"origin_user_id":"u1","origin_user_id":"u2"}"#),
        ("a number for a string", r#"{"origin_user_id":1}"#),
        ("null for a string", r#"{"origin_user_id":null}"#),
        ("an object for a string", r#"{"origin_user_id":{"$ne":""}}"#),
        ("an empty name", r#"{"origin_user_id":""}"#),
        ("a line break in a name", r#"{"origin_user_id":"a\nb"}"#),
        ("an escape sequence in a name", r#"{"origin_user_id":"a\u001b[31mb"}"#),
        ("a lone surrogate", r#"{"origin_user_id":"\ud800"}"#),
        ("a reversed direction", r#"{"origin_user_id":"a\u202eb"}"#),
        ("a name too long", &name_of_129),
        ("nested without end", &deep),
    ] {
        let answer = server.call(key, "POST", path, Some(body));
        assert_eq!(answer.status, 400, "{case}: {answer:?}");
        is_a_clear_problem(&answer, "invalid_request", case);
    }
    let invalid_utf8 = [
        format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {bearer}\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n").as_bytes(),
        b"{\"origin_user_id\":\"\xff\xfe\"} ",
    ]
    .concat();
    is_a_clear_problem(&server.send_bytes(&invalid_utf8).unwrap(), "invalid_request", "invalid UTF-8");

    for media_type in ["application/x-www-form-urlencoded", "text/plain", "application/json-seq"] {
        let bytes = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {bearer}\r\nContent-Type: {media_type}\r\nContent-Length: 23\r\n\r\n{{\"origin_user_id\":\"u1\"}}"
        );
        let answer = server.send_bytes(bytes.as_bytes()).unwrap();
        assert_eq!(answer.status, 415);
        is_a_clear_problem(&answer, "unsupported_media_type", media_type);
    }

    let large = format!(r#"{{"origin_user_id":"{}"}}"#, "x".repeat(70_000));
    let answer = server.call(key, "POST", path, Some(&large));
    assert_eq!(answer.status, 413);
    is_a_clear_problem(&answer, "body_too_large", "a body of 70,000 bytes");
    let chunked = [
        format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {bearer}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"),
        format!("11170\r\n{}\r\n0\r\n\r\n", "x".repeat(0x11170)),
    ]
    .concat();
    is_a_clear_problem(&server.send_bytes(chunked.as_bytes()).unwrap(), "body_too_large", "chunks without end");

    assert_eq!(server.call(key, "GET", path, None).body, before);
}

#[test]
fn every_fault_of_a_head_has_its_own_error() {
    let server = server();
    let key = &server.production_key;
    let head = |rest: &str| format!("GET /v1/whoami HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{rest}\r\n");
    let credential = format!("Authorization: Bearer {key}\r\n");
    let big = "a".repeat(1024 * 1024);
    let many = "X-Many: 1\r\n".repeat(150);
    let cases: Vec<(&str, Vec<u8>, u16, &str)> = vec![
        ("two Authorization lines", head(&credential.repeat(2)).into(), 401, "malformed_authorization"),
        ("a folded header", head(&format!("Authorization: Bearer\r\n {key}\r\n")).into(), 400, "malformed_request"),
        (
            "20 KiB of headers",
            head(&format!("{credential}X-Big: {}\r\n", "a".repeat(20_000))).into(),
            431,
            "headers_too_large",
        ),
        ("1 MiB of headers", head(&format!("{credential}X-Big: {big}\r\n")).into(), 431, "headers_too_large"),
        ("150 headers", head(&format!("{credential}{many}")).into(), 431, "headers_too_large"),
        ("1 MiB of path", format!("GET /{big} HTTP/1.1\r\nHost: x\r\n\r\n").into(), 431, "headers_too_large"),
        ("5 KiB of path", head("").replace("/v1/whoami", &"/a".repeat(2_500)).into(), 414, "uri_too_long"),
        ("no HTTP", b"hello\r\n\r\n".to_vec(), 400, "malformed_request"),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), 400, "malformed_request"),
        ("a NUL in a header", head(&format!("{credential}X: a\0b\r\n")).into(), 400, "malformed_request"),
        ("a space before the colon", head("Authorization : Bearer x\r\n").into(), 400, "malformed_request"),
        (
            "invalid UTF-8 in the credential",
            [head("").trim_end().as_bytes(), b"\r\nAuthorization: Bearer \xff\xfe\r\n\r\n"].concat(),
            401,
            "malformed_key",
        ),
        ("two lengths", head("Content-Length: 1\r\nContent-Length: 2\r\n").into(), 400, "malformed_request"),
        ("another path", head("").replace("/v1/whoami", "/v1/nothing").into(), 404, "not_found"),
        (
            "an OAuth client's discovery",
            head("").replace("/v1/whoami", "/.well-known/oauth-protected-resource").into(),
            404,
            "not_found",
        ),
    ];
    for (case, bytes, status, code) in cases {
        let answer = server.send_bytes(&bytes).unwrap_or_else(|| panic!("no answer to {case}"));
        assert_eq!(answer.status, status, "{case}: {answer:?}");
        is_a_clear_problem(&answer, code, case);
    }
    assert_eq!(server.call(key, "GET", "/v1/whoami", None).status, 200);
}

#[test]
fn an_unknown_method_is_405_for_authenticated_callers() {
    let server = server();
    let refused = server.call(&server.production_key, "DELETE", "/v1/whoami", None);
    assert_eq!((refused.status, refused.code()), (405, "method_not_allowed".into()));
    assert_eq!(refused.headers["allow"], "GET, HEAD");
    assert_eq!(server.send("DELETE", "/v1/whoami", &[], None).status, 401);
    assert_eq!(server.send("BREW", "/healthz", &[], None).status, 405);
}

#[test]
fn errors_never_echo_the_input() {
    let server = server();
    let key = &server.production_key;
    let canary = "c4n4ry-s3cret";
    for (method, path, body) in [
        ("POST", "/v1/registered-users".to_owned(), format!(r#"{{"{canary}":1}}"#)),
        ("POST", "/v1/registered-users".to_owned(), format!(r#"{{"origin_user_id":["{canary}"]}}"#)),
        ("POST", "/v1/registered-users".to_owned(), canary.to_owned()),
        ("PUT", "/v1/registered-users/ru_x/credentials/github".to_owned(), format!(r#"{{"secret":"{canary}"}}"#)),
        ("PUT", format!("/v1/registered-users/{canary}/credentials/{canary}"), r#"{"secret":"x"}"#.to_owned()),
        ("GET", format!("/v1/{canary}"), String::new()),
        ("GET", format!("/v1/registered-users?cursor={canary}"), String::new()),
        ("GET", format!("/v1/registered-users?{canary}=1"), String::new()),
    ] {
        let answer = server.call(key, method, &path, Some(&body));
        assert!(answer.status >= 400, "{answer:?}");
        assert!(!format!("{answer:?}").contains(canary), "{answer:?}");
    }
    for credential in [format!("Basic {canary}"), canary.to_owned(), format!("Bearer {canary}")] {
        let answer = server.send("GET", "/v1/whoami", &[("Authorization", &credential)], None);
        assert!(!format!("{answer:?}").contains(canary), "{answer:?}");
    }
    assert!(!server.output.lock().unwrap().contains(canary), "the log echoes the input");
}

#[test]
fn a_silent_client_is_disconnected_and_blocks_no_other() {
    let server = server();
    let mut slow: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /v1/whoami HTTP/1.1\r\nHost:").unwrap();
    }
    assert_eq!(server.call(&server.production_key, "GET", "/v1/whoami", None).status, 200);
    for stream in &mut slow {
        stream.set_read_timeout(Some(GUARD)).unwrap();
        let mut rest = Vec::new();
        assert!(stream.read_to_end(&mut rest).is_ok(), "the connection was not closed within its deadline");
    }
    assert_eq!(server.call(&server.production_key, "GET", "/v1/whoami", None).status, 200);
}

#[test]
fn a_body_that_never_arrives_is_abandoned() {
    let server = server();
    let bytes = format!(
        "POST /v1/registered-users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{{",
        server.production_key
    );
    let answer = server.send_bytes(bytes.as_bytes()).unwrap();
    assert_eq!((answer.status, answer.code()), (408, "request_timeout".into()));
}
