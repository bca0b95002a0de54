//! Events that leave the server: a kill loses no event, and a hanging sink delays nothing else.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use doorward::audit::{Checkpoint, NoteVerifier};
use doorward::types::{Clock, SystemClock};
use serde_json::Value;

use crate::support::{self, Server};

const BINARY: &str = env!("CARGO_BIN_EXE_doorward-server");

/// Returns a folder for the store, with a configuration that has these sinks.
fn folder(sinks: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("doorward.toml"), sinks).unwrap();
    let secret = folder.path().join("siem.secret");
    std::fs::write(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    folder
}

fn start(folder: &Path) -> Server {
    Server::start_at(BINARY.as_ref(), folder, &["--config", "doorward.toml"])
}

fn events(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no event: {line}"))).collect()
}

/// Returns the log and the sequence of an event.
fn place(event: &Value) -> (String, u64) {
    (event["environment"].as_str().unwrap().to_owned(), event["sequence"].as_u64().unwrap())
}

/// Fails if an event of a log comes too early, or is missing before the last.
fn assert_in_order(events: &[Value]) -> BTreeMap<String, u64> {
    let mut last = BTreeMap::new();
    for event in events {
        let (log, sequence) = place(event);
        let newest: &mut u64 = last.entry(log.clone()).or_default();
        assert!(sequence <= *newest + 1, "event {sequence} of {log} comes after {newest}");
        *newest = sequence.max(*newest);
    }
    last
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..600 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("this never happened: {what}");
}

fn metric(server: &Server, line: &str) -> Option<u64> {
    server.scrape().lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok())
}

/// Accepts posts, and answers 204.
fn receiver() -> (String, Arc<Mutex<Vec<Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let taken = Arc::new(Mutex::new(vec![]));
    let kept = Arc::clone(&taken);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, kept) = (stream.unwrap(), Arc::clone(&kept));
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                loop {
                    let mut length = 0;
                    let mut line = String::new();
                    while reader.read_line(&mut line).unwrap_or(0) > 2 {
                        let lower = line.to_lowercase();
                        length = lower.strip_prefix("content-length: ").map_or(length, |n| n.trim().parse().unwrap());
                        line.clear();
                    }
                    let mut body = vec![0; length];
                    if length == 0 || reader.read_exact(&mut body).is_err() {
                        return;
                    }
                    kept.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
                    (&stream).write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
                }
            });
        }
    });
    (url, taken)
}

#[test]
fn every_event_arrives_at_every_sink_however_often_the_server_is_killed() {
    let (url, taken) = receiver();
    let folder = folder(&format!(
        "[[sinks]]\nname = 'file'\nfile = 'audit.jsonl'\n\
         [[sinks]]\nname = 'siem'\nwebhook = '{url}'\nsecret_file = 'siem.secret'\n\
         [[sinks]]\nname = 'ocsf'\nfile = 'ocsf.jsonl'\nshape = 'ocsf'\n\
         [[sinks]]\nname = 'collector'\nstdout = true\n"
    ));
    let mut collected = String::new();
    let mut made = 0;
    for round in 0..3_u64 {
        let server = start(folder.path());
        let key = support::operator_of(&folder.path().join("doorward.db"), &format!("ada{round}"));
        let organizations = server.call(&key, "GET", "/v1/organizations", None);
        let path = format!("/v1/organizations/{}/access-keys", organizations.text("/data/0/id"));
        for _ in 0..15 + round * 7 {
            assert_eq!(server.call(&key, "POST", &path, Some(r#"{"name":"ci"}"#)).status, 201);
            made += 1;
        }
        if round == 2 {
            let lag = |sink: &str| metric(&server, &format!("doorward_sink_lag_events{{sink=\"{sink}\"}}"));
            until("no sink lags", || {
                ["file", "siem", "ocsf", "collector"].into_iter().all(|sink| lag(sink) == Some(0))
            });
        }
        collected += &server.output.lock().unwrap();
        // The drop kills the server while it ships.
    }
    let file = events(&std::fs::read_to_string(folder.path().join("audit.jsonl")).unwrap());
    let last = assert_in_order(&file);
    assert_eq!(last["test"], made);
    assert_eq!(assert_in_order(&taken.lock().unwrap()), last);
    let lines: Vec<&str> = collected.lines().filter(|line| line.starts_with("{\"sequence\"")).collect();
    assert_eq!(assert_in_order(&events(&lines.join("\n"))), last);
    let ocsf = events(&std::fs::read_to_string(folder.path().join("ocsf.jsonl")).unwrap());
    let ours: Vec<Value> = ocsf.iter().map(|event| event["unmapped"].clone()).collect();
    assert_eq!(assert_in_order(&ours), last);
    assert!(ocsf.iter().all(|event| event["class_uid"] == 3004));
}

#[test]
fn a_hanging_sink_delays_no_change_and_shows_in_the_metrics() {
    // The kernel accepts the connections, but no program ever answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let folder = folder(&format!(
        "[[sinks]]\nname = 'silent'\nwebhook = '{url}'\nsecret_file = 'siem.secret'\n\
         [[sinks]]\nname = 'pipe'\nfile = 'pipe'\n"
    ));
    // A pipe cannot be appended to, so it fails each time.
    assert!(std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap().success());
    let server = start(folder.path());
    let key = support::operator_of(&folder.path().join("doorward.db"), "ada");
    let path = "/v1/organizations";
    let started = SystemClock.reading();
    for number in 0..20 {
        let body = format!(r#"{{"name":"New {number}"}}"#);
        assert_eq!(server.call(&key, "POST", path, Some(&body)).status, 201);
    }
    assert!(
        SystemClock.reading().longest_since(started) < Duration::from_secs(10),
        "changes wait for a sink: {:?}",
        SystemClock.reading().longest_since(started)
    );
    let lag = |what: &str, sink: &str| metric(&server, &format!("doorward_sink_lag_{what}{{sink=\"{sink}\"}}"));
    until("the metrics tell", || {
        lag("events", "silent") >= Some(41) && lag("seconds", "silent") >= Some(1) && lag("events", "pipe") >= Some(41)
    });
    // A hanging sink also does not delay the server's end.
    let started = SystemClock.reading();
    let (status, _) = server.stop();
    assert!(status.success());
    assert!(
        SystemClock.reading().longest_since(started) < Duration::from_secs(10),
        "{:?}",
        SystemClock.reading().longest_since(started)
    );
}

#[test]
fn an_unusable_sink_keeps_the_server_from_starting() {
    for (sink, why) in [
        ("name = 'a'\nfile = '/nowhere/audit.jsonl'", "/nowhere/audit.jsonl cannot be written"),
        ("name = 'a'", "a sink has one of"),
        ("name = 'a'\nfile = 'b'\nstdout = true", "a sink has one of"),
        ("name = 'a'\nwebhook = 'https://siem.example.com/'", "secret_file"),
        ("name = 'a'\nwebhook = 'http://siem.example.com/'\nsecret_file = 'siem.secret'", "https://"),
        ("name = 'a'\nwebhook = 'https://siem.example.com/'\nsecret_file = 'doorward.toml'", "can be read by others"),
        ("name = 'a'\nstdout = true\n[[sinks]]\nname = 'a'\nstdout = true", "two sinks are called `a`"),
    ] {
        let folder = folder(&format!("[[sinks]]\n{sink}\n"));
        let done = std::process::Command::new(BINARY)
            .args(["--config", "doorward.toml", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&done.stderr);
        assert!(!done.status.success() && told.contains(why), "{sink}: {told}");
    }
}

/// Each log has its checkpoint at a sink of notices, and a log that does not verify is told.
#[test]
fn a_sink_of_notices_gets_checkpoints_to_keep() {
    let folder = folder("[[sinks]]\nname = 'notes'\nfile = 'notes.jsonl'\ncontent = 'notices'\n");
    let key = support::signing_key(folder.path());
    let options = ["--config", "doorward.toml", "--signing-key-file", &key];
    let notes = |kind: &str| -> Vec<Value> {
        let text = std::fs::read_to_string(folder.path().join("notes.jsonl")).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        events(whole).into_iter().filter(|note| note["type"] == kind).collect()
    };
    let server = Server::start_at(BINARY.as_ref(), folder.path(), &options);
    until("a checkpoint of both logs of the first start", || notes("audit_log.checkpoint").len() >= 2);
    for note in notes("audit_log.checkpoint") {
        let verifier: NoteVerifier = note["verifier_key"].as_str().unwrap().parse().unwrap();
        let checkpoint = Checkpoint::open(note["checkpoint"].as_str().unwrap(), &verifier).unwrap();
        assert_eq!(
            (checkpoint.origin.as_str(), checkpoint.size),
            (note["origin"].as_str().unwrap(), note["size"].as_u64().unwrap())
        );
        assert!(checkpoint.size > 0);
    }
    server.stop();
    let store = rusqlite::Connection::open(folder.path().join("doorward.db")).unwrap();
    store
        .execute("UPDATE audit_events SET actor = 'eve' WHERE sequence = 1 AND environment = 'production'", [])
        .unwrap();
    drop(store);
    let server = Server::start_at(BINARY.as_ref(), folder.path(), &options);
    until("the logs that were changed", || !notes("audit_log.broken").is_empty());
    assert!(notes("audit_log.broken")[0]["fault"].as_str().unwrap().contains("event 1 was changed"));
    server.stop();
}
