//! HTTP itself: what no one may send, and what everyone may. HTTP/1.1 by a list that none of us wrote, HTTP/2 by the words of its RFCs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::{Server, certificate, python, root};

/// The requests of one folder of the corpus, by name. A line break of a file means nothing; those of a request are written out.
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
                other => panic!("an escape that is not known: {other}"),
            },
            other => other,
        };
        request.push(meant);
    }
    request
}

/// A request that would be answered, if what stands before it were taken for a whole one.
const NEXT: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: next\r\nConnection: close\r\n\r\n";

/// The statuses that came, and whether the next request was answered.
fn send(server: &Server, request: &[u8]) -> (Vec<u16>, bool) {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // It may hang up on the way.
    let _ = stream.write_all(&[request, NEXT].concat());
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    let said = String::from_utf8_lossy(&said);
    let statuses = said.split("HTTP/1.").skip(1).filter_map(|answer| answer.get(2..5)?.parse().ok()).collect();
    (statuses, said.contains(r#"{"status":"ok"}"#))
}

/// The same request, to a route that reads its body.
fn to_a_route(server: &Server, request: &[u8]) -> Option<Vec<u8>> {
    let end = request.windows(2).position(|window| window == b"\r\n")?;
    request.get(..end)?.ends_with(b" HTTP/1.1").then_some(())?;
    let head = format!(
        "POST /v1/registered-users HTTP/1.1\r\nAuthorization: Bearer {}\r\nContent-Type: application/json",
        server.production_key
    );
    Some([head.as_bytes(), request.get(end..)?].concat())
}

/// The same request with a `Host`, which many of the corpus leave out, where HTTP/1.1 wants one.
fn with_host(request: &[u8]) -> Vec<u8> {
    let end = request.windows(2).position(|window| window == b"\r\n").unwrap_or(request.len());
    let (line, rest) = request.split_at(end);
    let has_host = rest.windows(7).any(|window| window.eq_ignore_ascii_case(b"\r\nHost:"));
    let host: &[u8] = if has_host || !line.ends_with(b" HTTP/1.1") { b"" } else { b"\r\nHost: a" };
    [line, host, rest].concat()
}

/// Requests that gunicorn refuses, and whose end we find all the same, each for its reason.
const READ: &[(&str, &str)] = &[
    ("003c", "a method may start with `-` (RFC 9110, section 9.1)"),
    ("010", "a limit that a setting of gunicorn's puts"),
    ("011", "a limit that a setting of gunicorn's puts"),
    ("012", "a limit that a setting of gunicorn's puts"),
    ("017", "a limit that gunicorn puts: a header of 8 KiB"),
    ("019", "headers of a gateway that contradict each other, and are not read here"),
    ("041", "two Content-Type headers, on a path that reads none"),
    ("042", "two Host headers, refused by us too: where such a request ends is known"),
    ("chunked_07", "names with an underscore, which gunicorn may not tell from ones with a hyphen"),
    ("chunked_09", "a space behind a chunk's size"),
    ("rfc9110_trailer_forbidden_cl_01", "trailers are read and thrown away"),
    ("rfc9110_trailer_forbidden_host_01", "trailers are read and thrown away"),
    ("rfc9110_trailer_forbidden_te_01", "trailers are read and thrown away"),
    ("rfc9112_bare_lf_01", "a line may end with LF alone (RFC 9112, section 2.2)"),
    ("rfc9112_leading_crlf_02", "empty lines before a request are ignored (RFC 9112, section 2.2)"),
    ("rfc9112_target_asterisk_non_options_01", "a path at which there is nothing"),
    ("rfc9112_target_authority_non_connect_01", "a path at which there is nothing"),
];

#[test]
fn what_is_no_request_hides_none_behind_it() {
    let server = Server::start(env!("CARGO_BIN_EXE_doorward-server").as_ref());
    let requests = corpus("invalid");
    assert!(requests.len() >= 80, "{}", requests.len());
    let mut read = Vec::new();
    for (name, request) in &requests {
        let request = with_host(request);
        let (statuses, mut next) = send(&server, &request);
        assert!(statuses.first().is_none_or(|status| (400..500).contains(status)), "{name}: {statuses:?}");
        // What is wrong with a body shows where that is read.
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

/// Requests that gunicorn reads, by a setting or by custom, and we refuse, each for its reason.
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
fn what_is_a_request_is_read() {
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
fn one_host_is_named() {
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

/// The most memory that the server may ever have held after floods, in KiB.
const MOST_MEMORY: u64 = 128 * 1024;

#[test]
fn http_2_is_spoken_as_its_rfcs_say_and_floods_harm_no_one() {
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
