//! Difficult traffic for gateways: large bodies and heads, a silent Doorward, WebSockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::program::{Program, behind_every_gateway};
use super::service::{doorward_that_hangs, doorward_that_says};
use super::{Behind, Gateway, Service};
use crate::support::{GUARD, free_address};

behind_every_gateway! {
    large_bodies_arrive,
    bodies_arrive_while_they_are_sent,
    large_heads_arrive,
    a_missing_answer_is_503,
    a_websocket_passes,
}

const BODY: usize = 100 * 1_024 * 1_024;

fn large_bodies_arrive(program: Program) {
    let behind = Behind::start(program);
    let piece = vec![b'x'; 64 * 1_024];
    for chunked in [false, true] {
        let mut stream =
            begin(&behind, if chunked { "Transfer-Encoding: chunked" } else { "Content-Length: 104857600" });
        for _ in 0..BODY / piece.len() {
            if chunked {
                write!(stream, "{:x}\r\n", piece.len()).unwrap();
            }
            stream.write_all(&piece).unwrap();
            if chunked {
                stream.write_all(b"\r\n").unwrap();
            }
        }
        if chunked {
            stream.write_all(b"0\r\n\r\n").unwrap();
        }
        let answer = read_to(&mut stream, &format!("\"body\":{BODY}"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

/// The client sends the end of the body after the start has arrived: a gateway that waits for the end would hang.
fn bodies_arrive_while_they_are_sent(program: Program) {
    let behind = Behind::start(program);
    for (header, beginning, end) in [
        ("Content-Length: 10", "hello", "world"),
        ("Content-Length: 10\r\nExpect: 100-continue", "hello", "world"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n", "5\r\nworld\r\n0\r\n\r\n"),
    ] {
        let mut stream = begin(&behind, header);
        stream.write_all(beginning.as_bytes()).unwrap();
        behind.service.wait_for_a_body();
        stream.write_all(end.as_bytes()).unwrap();
        read_to(&mut stream, "\"body\":10");
    }
}

fn large_heads_arrive(program: Program) {
    let behind = Behind::start(program);
    let (seven, nearly_eight) = ("a".repeat(7 * 1_024), "a".repeat(7_900));
    let cookies: String = (0..4).map(|number| format!("Cookie: c{number}={nearly_eight}\r\n")).collect();
    let others: String = (0..4).map(|number| format!("X-Large-{number}: {nearly_eight}\r\n")).collect();
    let many: String = (0..80).map(|number| format!("X-Small-{number}: a\r\n")).collect();
    for lines in [format!("X-Large: {seven}\r\n"), cookies, others, many] {
        let answer = behind.send(&lines);
        assert!(behind.is_told_the_truth(&answer), "{} {}", answer.status, answer.body);
        for line in lines.lines().filter(|line| line.starts_with('X')) {
            assert!(answer.body.to_lowercase().contains(&line.to_lowercase()), "a line did not arrive");
        }
    }
    let request = format!("GET /?{seven} HTTP/1.1\r\nHost: {}\r\n", behind.gateway.address);
    let request = format!("{request}Authorization: Bearer {}\r\n\r\n", behind.server.production_key);
    let answer = behind.gateway.send_raw(&request).unwrap();
    assert!(behind.is_told_the_truth(&answer), "{} {}", answer.status, answer.body);
    // A request that is too large is refused with a fitting status, not with a server error.
    let beyond: String = (0..12).map(|number| format!("X-Large-{number}: {nearly_eight}\r\n")).collect();
    let status = behind.send(&beyond).status;
    assert!(matches!(status, 200 | 400 | 431), "{status}");
}

fn a_missing_answer_is_503(program: Program) {
    let service = Service::start();
    let doorwards: [(&str, SocketAddr); 4] = [
        ("silent", doorward_that_hangs()),
        ("away", free_address()),
        ("broken", doorward_that_says("")),
        ("cut off", doorward_that_says("HTTP/1.1 200 OK\r\nX-Doorward-Org")),
    ];
    for (how, doorward) in doorwards {
        let gateway = Gateway::start(program, doorward, service.address);
        let forged = [("Authorization", "Bearer x"), ("X-Doorward-Organization", "forged")];
        assert_eq!(gateway.ask(&forged).status, 503, "{how}");
    }
    assert_eq!(service.heads(), [""; 0]);
}

fn a_websocket_passes(program: Program) {
    let behind = Behind::start(program);
    let mut stream = TcpStream::connect(behind.gateway.address).unwrap();
    stream.set_read_timeout(Some(GUARD)).unwrap();
    let lines = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nX_Doorward_Organization: forged\r\n";
    let upgrade = "Connection: keep-alive, Upgrade, X-Doorward-Organization\r\nUpgrade: WebSocket\r\n";
    let (host, key) = (behind.gateway.address, &behind.server.production_key);
    write!(stream, "GET /ws HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n{lines}{upgrade}\r\n").unwrap();
    let answer = read_to(&mut stream, "\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    for message in ["\u{1}\u{2}hello", "again"] {
        stream.write_all(message.as_bytes()).unwrap();
        read_to(&mut stream, message);
    }
    let head = behind.service.heads().pop().unwrap();
    let answer = crate::support::Answer {
        status: 200,
        headers: [].into(),
        body: serde_json::json!({ "head": head.lines().collect::<Vec<_>>() }).to_string(),
    };
    assert!(behind.is_told_the_truth(&answer), "{head}");
    assert!(!head.to_lowercase().contains("upgrade, "), "{head}");
}

/// Sends the head of a request with a body.
fn begin(behind: &Behind, header: &str) -> TcpStream {
    let mut stream = TcpStream::connect(behind.gateway.address).unwrap();
    stream.set_read_timeout(Some(GUARD)).unwrap();
    let (host, key) = (behind.gateway.address, &behind.server.production_key);
    write!(stream, "POST / HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n{header}\r\n\r\n").unwrap();
    stream
}

/// Reads until these bytes have arrived.
fn read_to(stream: &mut TcpStream, awaited: &str) -> String {
    let (mut received, mut piece) = (String::new(), [0; 4_096]);
    while !received.contains(awaited) {
        let length = stream.read(&mut piece).unwrap_or_default();
        assert!(length > 0, "no {awaited:?} in {received:?}");
        received += &String::from_utf8_lossy(&piece[..length]);
    }
    received
}
