//! The example runs as its README says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../axum/tests/support/mod.rs"]
mod support;

use std::io::{BufRead, BufReader, Lines, Write};
use std::net::{TcpListener, TcpStream};

use doorward::audit::{Action, Event};

/// The messages up to the end of a batch.
fn batch(lines: &mut Lines<BufReader<TcpStream>>) -> Vec<(String, Event)> {
    let lines = lines.map_while(Result::ok).take_while(|line| !line.is_empty());
    let read = |line: String| {
        let (key, message) = line.split_once('\t').unwrap();
        (key.to_owned(), serde_json::from_str(message).unwrap())
    };
    lines.map(read).collect()
}

#[test]
fn events_arrive_again_until_the_broker_confirms_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("kafka.db");
    let broker = TcpListener::bind("127.0.0.1:0").unwrap();
    let (example, mut said) =
        support::start(env!("CARGO_BIN_EXE_example-kafka-sink"), &store, &broker.local_addr().unwrap().to_string());
    assert!(support::after(&mut said, "one time: ").starts_with("dw_prod_") && said.next().unwrap() == "shipping");

    // A broker that breaks off has confirmed nothing.
    let (stream, _) = broker.accept().unwrap();
    let mut lines = BufReader::new(stream).lines();
    let lost = batch(&mut lines);
    assert!(!lost.is_empty());
    drop(lines);

    let (mut stream, _) = broker.accept().unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut taken = Vec::new();
    while !taken.iter().any(|(_, event): &(String, Event)| event.draft.action == Action::AccessKeyCreated) {
        taken.extend(batch(&mut lines));
        stream.write_all(b"confirmed\n").unwrap();
    }
    assert_eq!(taken.first(), lost.first(), "the same event, under the same key");
    let actions: Vec<_> = taken.iter().map(|(_, event)| event.draft.action).collect();
    assert!(actions.contains(&Action::OrganizationCreated), "{actions:?}");
    support::ends(example, &store);
}
