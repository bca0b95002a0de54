//! Forbidden and allowed HTTP: HTTP/1.1 by another project's list of requests, HTTP/2 by its RFCs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::{GUARD, Server, certificate, python, root};

/// Returns the requests of one folder of the corpus, by name. Line breaks in the files are ignored; the requests write theirs as
/// escapes.
fn corpus(folder: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = root().join("target/http1/tests/requests").join(folder);
    let files =
        std::fs::read_dir(&folder).unwrap_or_else(|_| panic!("`cargo xtask test` fetches {}", folder.display()));
    let requests =
        files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|is| is == "http"));
    requests
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), unescaped(&std::fs::read(path).unwrap())))
        .collect()
}

fn unescaped(file: &[u8]) -> Vec<u8> {
    let mut request = Vec::new();
    let mut bytes = file.iter().copied().filter(|byte| *byte != b'\n');
    while let Some(byte) = bytes.next() {
        let meant = match byte {
            b'\\' => match bytes.next().unwrap() {
                b'r' => b'\r',
                b'n' => b'\n',
                b't' => b'\t',
                b'0' => 0,
                b'x' => {
                    let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                    u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => panic!("unknown escape: {other}"),
            },
            other => other,
        };
        request.push(meant);
    }
    request
}

/// A request that would be answered if the bytes before it counted as a complete request.
const NEXT: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: next\r\nConnection: close\r\n\r\n";

/// Returns the received statuses, and whether the next request was answered.
fn send(server: &Server, request: &[u8]) -> (Vec<u16>, bool) {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(GUARD)).unwrap();
    // The server may close the connection before everything is sent.
    let _ = stream.write_all(&[request, NEXT].concat());
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    let said = String::from_utf8_lossy(&said);
    let statuses = said.split("HTTP/1.").skip(1).filter_map(|answer| answer.get(2..5)?.parse().ok()).collect();
    (statuses, said.contains(r#"{"status":"ok"}"#))
}

/// Returns the same request to a route that reads its body.
fn to_a_route(server: &Server, request: &[u8]) -> Option<Vec<u8>> {
    let end = request.windows(2).position(|window| window == b"\r\n")?;
    request.get(..end)?.ends_with(b" HTTP/1.1").then_some(())?;
    let head = format!(
        "POST /v1/registered-users HTTP/1.1\r\nAuthorization: Bearer {}\r\nContent-Type: application/json",
        server.production_key
    );
    Some([head.as_bytes(), request.get(end..)?].concat())
}

/// Returns the same request with the `Host` that HTTP/1.1 requires, since many requests of the corpus lack it.
fn with_host(request: &[u8]) -> Vec<u8> {
    let end = request.windows(2).position(|window| window == b"\r\n").unwrap_or(request.len());
    let (line, rest) = request.split_at(end);
    let has_host = rest.windows(7).any(|window| window.eq_ignore_ascii_case(b"\r\nHost:"));
    let host: &[u8] = if has_host || !line.ends_with(b" HTTP/1.1") { b"" } else { b"\r\nHost: a" };
    [line, host, rest].concat()
}

/// Requests that gunicorn refuses, but whose end Doorward finds, each with its reason.
const READ: &[(&str, &str)] = &[
    ("003c", "a method may start with `-` (RFC 9110, section 9.1)"),
    ("010", "a limit from a setting of gunicorn"),
    ("011", "a limit from a setting of gunicorn"),
    ("012", "a limit from a setting of gunicorn"),
    ("017", "gunicorn's limit: a header of 8 KiB"),
    ("019", "contradictory headers of a gateway, which Doorward does not read"),
    ("041", "two Content-Type headers, on a path that reads none"),
    ("042", "two Host headers, which Doorward refuses too, at the known end of the request"),
    ("chunked_07", "names with an underscore, which gunicorn may confuse with a hyphen"),
    ("chunked_09", "a space behind a chunk's size"),
    ("rfc9110_trailer_forbidden_cl_01", "trailers are read and thrown away"),
    ("rfc9110_trailer_forbidden_host_01", "trailers are read and thrown away"),
    ("rfc9110_trailer_forbidden_te_01", "trailers are read and thrown away"),
    ("rfc9112_bare_lf_01", "a line may end with LF alone (RFC 9112, section 2.2)"),
    ("rfc9112_leading_crlf_02", "empty lines before a request are ignored (RFC 9112, section 2.2)"),
    ("rfc9112_target_asterisk_non_options_01", "a path without a resource"),
    ("rfc9112_target_authority_non_connect_01", "a path without a resource"),
];

#[test]
fn an_invalid_request_hides_no_second_request() {
    let server = Server::start(env!("CARGO_BIN_EXE_doorward-server").as_ref());
    let requests = corpus("invalid");
    assert!(requests.len() >= 80, "{}", requests.len());
    let mut read = Vec::new();
    for (name, request) in &requests {
        let request = with_host(request);
        let (statuses, mut next) = send(&server, &request);
        assert!(statuses.first().is_none_or(|status| (400..500).contains(status)), "{name}: {statuses:?}");
        // A faulty body shows only if the body is read.
        if statuses.first() != Some(&400)
            && let Some(request) = to_a_route(&server, &request)
        {
            let (statuses, after_body) = send(&server, &request);
            assert!(statuses.first().is_none_or(|status| (400..500).contains(status)), "{name}: {statuses:?}");
            next |= after_body;
        }
        if next {
            read.push(name.as_str());
        }
    }
    assert_eq!(read, READ.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    let users = server.call(&server.production_key, "GET", "/v1/registered-users", None);
    assert_eq!(users.json()["data"].as_array().unwrap().len(), 0);
}

/// Requests that gunicorn accepts, by a setting or by tradition, and Doorward refuses, each with its reason.
const REFUSED: &[(&str, &str)] = &[
    ("014", "quotation marks in a path"),
    ("028", "a space before a colon, which must be refused (RFC 9112, section 5.1)"),
    ("compat_obs_fold", "a folded line, which may be refused (RFC 9112, section 5.2)"),
    ("compat_obs_fold_huge", "a folded line"),
    ("pp_01", "the PROXY protocol"),
    ("pp_02", "the PROXY protocol"),
    ("pp_04", "the PROXY protocol"),
    ("pp_05", "the PROXY protocol"),
];

#[test]
fn a_valid_request_is_read() {
    let server = Server::start(env!("CARGO_BIN_EXE_doorward-server").as_ref());
    let requests = corpus("valid");
    assert!(requests.len() >= 60, "{}", requests.len());
    let mut refused = Vec::new();
    for (name, request) in &requests {
        let (statuses, _) = send(&server, &with_host(request));
        if statuses.first().is_none_or(|status| *status == 400) {
            refused.push(name.as_str());
        }
    }
    assert_eq!(refused, REFUSED.iter().map(|(name, _)| *name).collect::<Vec<_>>());
}

#[test]
fn a_request_must_name_one_host() {
    let server = Server::start(env!("CARGO_BIN_EXE_doorward-server").as_ref());
    for (hosts, status) in [
        ("Host: a\r\n", 200),
        ("Host: localhost:8080\r\n", 200),
        ("Host: [::1]:8080\r\n", 200),
        ("Host: \r\n", 200),
        ("", 400),
        ("Host: a\r\nHost: a\r\n", 400),
        ("Host: a\r\nHost: b\r\n", 400),
        ("Host: a b\r\n", 400),
        ("Host: user@a\r\n", 400),
        ("Host: a/b\r\n", 400),
    ] {
        let answer = server.send_bytes(format!("GET /healthz HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n").as_bytes());
        assert_eq!(answer.unwrap().status, status, "{hosts}");
    }
    assert_eq!(send(&server, b"GET /healthz HTTP/1.0\r\n\r\n"), (vec![200], true));
}

/// The maximum memory of the server after floods, in KiB.
const MOST_MEMORY: u64 = 128 * 1024;

#[test]
fn http_2_follows_its_rfcs_and_survives_floods() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(folder.path(), "first");
    let tls = ["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let server = Server::start_at(env!("CARGO_BIN_EXE_doorward-server").as_ref(), folder.path(), &tls);
    let checked = python("python")
        .arg(root().join("bins/server/tests/http2/conformance.py"))
        .args([&server.address.port().to_string(), &server.production_key])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{said}{}", String::from_utf8_lossy(&checked.stderr));
    assert!(said.lines().filter(|line| line.starts_with("passed ")).count() >= 90, "{said}");
    assert!(server.most_memory() < MOST_MEMORY, "{} KiB", server.most_memory());
}
