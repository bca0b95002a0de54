//! PostgreSQL's own processes killed, its disk failing or full, at writes and syncs of its log, while a node makes changes.
//!
//! The usual run strikes here and there; `cargo xtask test --long` strikes everywhere.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{File, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::process::{Command, Stdio};
use std::time::Duration;

use doorward_store::{OpenMode, StoreError};
use doorward_store_conformance::faults;
use doorward_store_postgres::PostgresStore;
use doorward_test_postgres::Cluster;

/// The fault at the call that is struck, as `disk.c` numbers it.
const MODES: [(i64, &str); 3] = [(1, "killed"), (2, "input/output error"), (3, "no space left")];

/// How many rounds of the plan a child carries out.
const ROUNDS: u32 = 8;

/// The variable that tells the child its store.
const STORE: &str = "DOORWARD_TEST_CHILD_STORE";

/// The node whose database is struck.
#[tokio::test]
#[ignore = "no test: the test below runs it"]
async fn child() {
    let Ok(url) = std::env::var(STORE) else { return };
    let store = PostgresStore::open(&url, OpenMode::Create).await.unwrap();
    println!("open");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    faults::live(&store, ROUNDS).await;
}

/// The memory that the servers' processes and this one share.
struct Control(File);

impl Control {
    fn word(&self, place: u64) -> i64 {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, 8 * place).unwrap();
        i64::from_le_bytes(bytes)
    }

    fn set(&self, place: u64, value: i64) {
        self.0.write_all_at(&value.to_le_bytes(), 8 * place).unwrap();
    }

    fn calls(&self) -> i64 {
        self.word(0)
    }

    /// The so many-th call from now on is struck; none, where it is 0.
    fn arm(&self, mode: i64, from_now: i64) {
        self.set(2, mode);
        self.set(3, 0);
        self.set(1, if from_now == 0 { 0 } else { self.calls() + from_now });
    }

    fn has_struck(&self) -> bool {
        self.word(3) > 0
    }
}

struct Site {
    cluster: Cluster,
    control: Control,
    count: u32,
    _folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let disk = faults::disk(folder.path());
        let path = folder.path().join("control");
        std::fs::write(&path, [0; 32]).unwrap();
        // The servers run as another user.
        std::fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        let control = Control(File::options().read(true).write(true).open(&path).unwrap());
        let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
        let environment = vec![
            ("LD_PRELOAD", text(&disk)),
            ("DISK_FOLDER", "/".to_owned()),
            ("DISK_FILTER", "/pg_wal/".to_owned()),
            ("DISK_CONTROL", text(&path)),
        ];
        // Nothing but the node's own changes is to write.
        let quiet = ["autovacuum=off", "checkpoint_timeout=1h", "wal_writer_delay=10s", "bgwriter_lru_maxpages=0"];
        let cluster = Cluster::start_under(&quiet, environment).unwrap();
        Self { cluster, control, count: 0, _folder: folder }
    }

    /// A client, as soon as there is a server to speak to.
    async fn connect(&self) -> tokio_postgres::Client {
        for attempt in 0.. {
            match tokio_postgres::connect(&self.cluster.url(), tokio_postgres::NoTls).await {
                Ok((client, connection)) => {
                    tokio::spawn(connection);
                    return client;
                }
                Err(error) => {
                    assert!(attempt < 300, "the server does not come back: {error}");
                    // One that could not recover while its disk was full has stopped.
                    if attempt % 20 == 19 {
                        let _ = self.cluster.start_again();
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        unreachable!("the loop ends by returning")
    }

    /// How many calls the child's changes took, whether one was struck, and what is wrong with what is left.
    async fn strike(&mut self, mode: i64, at: i64) -> (i64, bool, Result<(), String>) {
        self.count += 1;
        let schema = format!("strike_{}", self.count);
        self.connect().await.batch_execute(&format!("CREATE SCHEMA {schema}")).await.unwrap();
        let url = format!("{}&options=-csearch_path%3D{schema}", self.cluster.url());
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--ignored", "--exact", "faults::child", "--nocapture", "--test-threads=1"]).env(STORE, &url);
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("open") {
            line.clear();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "the child did not open the store");
        }
        let before = self.control.calls();
        self.control.arm(mode, at);
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        let mut rest = String::new();
        said.read_to_string(&mut rest).unwrap();
        child.wait().unwrap();
        let (calls, struck) = (self.control.calls() - before, self.control.has_struck());
        self.control.arm(0, 0);
        drop(self.connect().await);
        let left = match self.open(&url).await {
            Ok(store) => faults::judge(&store, ROUNDS, &rest).await,
            Err(error) => Err(format!("it cannot be opened: {error:?}")),
        };
        self.connect().await.batch_execute(&format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
        (calls, struck, left)
    }

    async fn open(&self, url: &str) -> Result<PostgresStore, StoreError> {
        PostgresStore::open(url, OpenMode::Existing).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_struck_nothing_acknowledged_is_lost_and_nothing_is_made_up() {
    let long = std::env::var_os("DOORWARD_TEST_LONG").is_some();
    let mut site = Site::new();
    let (calls, struck, left) = site.strike(0, 0).await;
    assert!(!struck && left.is_ok() && calls > 100, "{calls} calls, {left:?}");
    let (mut points, mut wrong) = (0, Vec::new());
    for (mode, name) in MODES {
        // Each mode strikes other calls.
        for at in (mode..=calls).step_by(if long { 1 } else { 23 }) {
            let (_, struck, left) = site.strike(mode, at).await;
            points += u64::from(struck);
            wrong.extend(left.err().map(|error| format!("{name} at call {at} of {calls}: {error}")));
        }
    }
    println!("{points} points");
    assert_eq!(wrong, Vec::<String>::new());
    assert!(points >= if long { 500 } else { 20 }, "{points} points");
}
