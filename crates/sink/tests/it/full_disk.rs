//! A full disk delays a file sink, and repeats nothing.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use doorward_audit::{Action, Attribution, Event, EventDraft};
use doorward_sink::{EventFormat, FileSink, Sink};
use doorward_store::{AuditLog, Outbox};
use doorward_store_memory::MemoryStore;
use doorward_types::{Environment, OrganizationId, Timestamp};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const EVENTS: u64 = 100;

/// The room that the disk gains each time.
const STEP: u64 = 3_000;

/// The variable that marks the second run of this program, the one with the full disk. A limit on file sizes stands in for the
/// disk.
const FILE: &str = "DOORWARD_TEST_SINK_FILE";

async fn fill(path: &Path) {
    let store = MemoryStore::new();
    for number in 0..EVENTS {
        let log = (OrganizationId::INSTALLATION, Environment::Test);
        let ada = Attribution::local("ada".parse().unwrap());
        let draft =
            EventDraft::new(&ada, Timestamp::from_millis(3), Action::AccessKeyCreated, format!("key_{number}"), log);
        store.record(draft).await.unwrap();
    }
    let events: Vec<Event> =
        store.events_after(0, 1_000).await.unwrap().into_iter().map(|shipment| shipment.event.unwrap()).collect();
    let (early, late) = events.split_at(10);
    let mut sink = FileSink::open(path, EventFormat::Event).unwrap();
    sink.deliver(early).await.unwrap();
    let maximum = getrlimit(Resource::Fsize).maximum;
    let mut refused = 0;
    while sink.deliver(late).await.is_err() {
        refused += 1;
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.ends_with('\n') && text.lines().count() == early.len(), "a part of a failed attempt is left");
        let current = Some(getrlimit(Resource::Fsize).current.unwrap() + STEP);
        setrlimit(Resource::Fsize, Rlimit { current, maximum }).unwrap();
    }
    assert!(refused > 3, "the disk was never full");
}

#[test]
fn a_full_disk_repeats_nothing() {
    if let Some(path) = std::env::var_os(FILE) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        return runtime.block_on(fill(Path::new(&path)));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let mut again = Command::new("sh");
    // With SIGXFSZ ignored, a process that writes beyond the limit gets an error, and is not killed.
    again.args(["-c", "trap '' XFSZ; ulimit -S -f 10; exec \"$@\"", "sh"]).arg(std::env::current_exe().unwrap());
    let done = again.args(["--exact", "full_disk::a_full_disk_repeats_nothing"]).env(FILE, &path).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    let text = std::fs::read_to_string(&path).unwrap();
    let sequence = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["sequence"].as_u64().unwrap();
    assert_eq!(text.lines().map(sequence).collect::<Vec<_>>(), (1..=EVENTS).collect::<Vec<_>>());
}
