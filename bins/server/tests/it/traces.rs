//! Traces, as a collector receives them, read with OpenTelemetry's own types.

#![cfg(feature = "otel")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;

use crate::support::{GUARD, Server};

/// Starts a collector that accepts everything. Returns the received spans.
fn collector() -> (String, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, sender) = (stream.unwrap(), sender.clone());
            std::thread::spawn(move || {
                let (mut bytes, mut chunk) = (Vec::new(), [0; 16 * 1024]);
                loop {
                    let length = stream.read(&mut chunk).unwrap_or(0);
                    bytes.extend_from_slice(chunk.get(..length).unwrap());
                    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
                    let head = String::from_utf8_lossy(bytes.get(..end).unwrap()).to_lowercase();
                    assert!(head.starts_with("post /v1/traces") && head.contains("application/x-protobuf"), "{head}");
                    let expected = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                    if length == 0 || bytes.len() >= end + 4 + expected.parse::<usize>().unwrap() {
                        sender.send(bytes.split_off(end + 4)).unwrap();
                        break;
                    }
                }
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            });
        }
    });
    (url, receiver)
}

fn text(span: &Span, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        _ => None,
    }
}

#[test]
fn a_span_describes_a_request_by_the_conventions_and_contains_no_key() {
    let (url, received) = collector();
    let server = Server::start_with(env!("CARGO_BIN_EXE_doorward-server").as_ref(), &["--otlp-endpoint", &url]);
    let key = server.production_key.clone();
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let bearer = format!("Bearer {key}");
    let answer = server.send("GET", "/v1/whoami", &[("Authorization", &bearer), ("traceparent", parent)], None);
    let id = answer.headers.get("x-request-id").unwrap().clone();
    server.send("GET", &format!("/v1/registered-users/{key}?key={key}"), &[("X-Api-Key", &key)], None);
    let (status, _) = server.stop();
    assert!(status.success());

    let mut spans = Vec::new();
    let mut patience = GUARD;
    while let Ok(bytes) = received.recv_timeout(patience) {
        assert!(!bytes.windows(key.len()).any(|window| window == key.as_bytes()), "a span holds a key");
        let request = ExportTraceServiceRequest::decode(&*bytes).unwrap();
        for resource in request.resource_spans {
            let attributes = format!("{:?}", resource.resource);
            assert!(attributes.contains("service.name") && attributes.contains("doorward"), "{attributes}");
            spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
        if spans.len() >= 2 {
            patience = Duration::from_millis(200);
        }
    }
    let asked = |name: &str| spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}: {spans:?}"));
    let whoami = asked("GET /v1/whoami");
    assert_eq!(whoami.kind, i32::from(SpanKind::Server));
    let hexadecimal = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hexadecimal(&whoami.trace_id), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(hexadecimal(&whoami.parent_span_id), "b7ad6b7169203331");
    assert_eq!(text(whoami, "http.request.method").as_deref(), Some("GET"));
    assert_eq!(text(whoami, "http.route").as_deref(), Some("/v1/whoami"));
    assert_eq!(text(whoami, "http.response.status_code").as_deref(), Some("200"));
    assert_eq!(text(whoami, "doorward.request_id"), Some(id));
    let refused = asked("GET /v1/registered-users/{user}");
    assert_eq!(text(refused, "http.response.status_code").as_deref(), Some("401"));
    assert_eq!(spans.len(), 2);
}
