//! Kills PostgreSQL's processes, and fails or fills its disk, at writes and syncs of its log, while a node makes changes.
//!
//! The usual run strikes a sample of these calls; `cargo xtask test --long` strikes all.

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

/// The fault at the chosen call, by its number in `disk.c`.
const MODES: [(i64, &str); 3] = [(1, "killed"), (2, "input/output error"), (3, "no space left")];

/// The number of rounds of the plan that a child executes.
const ROUNDS: u32 = 8;

/// The variable that tells the child its store.
const STORE: &str = "DOORWARD_TEST_CHILD_STORE";

/// The node whose database fails.
#[tokio::test]
#[ignore = "no test: the test below runs it"]
async fn child() {
    let Ok(url) = std::env::var(STORE) else { return };
    let store = PostgresStore::open(&url, OpenMode::Create).await.unwrap();
    println!("open");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    faults::live(&store, ROUNDS).await;
}

/// The memory that the servers' processes share with this one.
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

    /// Makes the call with this number fail, counted from now; 0 means no call.
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
        // Only the node's own changes may write.
        let quiet = ["autovacuum=off", "checkpoint_timeout=1h", "wal_writer_delay=10s", "bgwriter_lru_maxpages=0"];
        let cluster = Cluster::start_under(&quiet, environment).unwrap();
        Self { cluster, control, count: 0, _folder: folder }
    }

    /// Connects as soon as the server accepts connections.
    async fn connect(&self) -> tokio_postgres::Client {
        for attempt in 0.. {
            match tokio_postgres::connect(&self.cluster.url(), tokio_postgres::NoTls).await {
                Ok((client, connection)) => {
                    tokio::spawn(connection);
                    return client;
                }
                Err(error) => {
                    assert!(attempt < 12_000, "the server does not come back: {error}");
                    // A server that could not recover while its disk was full has stopped.
                    if attempt % 20 == 19 {
                        let _ = self.cluster.start_again();
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        unreachable!("the loop ends by returning")
    }

    /// Returns the number of the child's calls, whether a call failed, and the fault of the remaining state.
    async fn strike(&mut self, mode: i64, at: i64) -> (i64, bool, Result<(), String>) {
        self.count += 1;
        let schema = format!("strike_{}", self.count);
        self.run(&format!("CREATE SCHEMA IF NOT EXISTS {schema}")).await;
        let url = format!("{}&schema={schema}", self.cluster.url());
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
        self.run(&format!("DROP SCHEMA IF EXISTS {schema} CASCADE")).await;
        (calls, struck, left)
    }

    /// Opens the store as soon as the server answers. A fault may crash the server a moment after it was reached again.
    async fn open(&self, url: &str) -> Result<PostgresStore, StoreError> {
        for _ in 0..100 {
            match PostgresStore::open(url, OpenMode::Existing).await {
                Err(StoreError::Unavailable(_)) => drop(self.connect().await),
                opened => return opened,
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        PostgresStore::open(url, OpenMode::Existing).await
    }

    /// Runs a statement as soon as the server answers.
    async fn run(&self, statement: &str) {
        for _ in 0..100 {
            match self.connect().await.batch_execute(statement).await {
                Ok(()) => return,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        self.connect().await.batch_execute(statement).await.unwrap();
    }
}

/// The number of calls that the usual run strikes in each mode, beside the first and the last calls.
const PARTS: i64 = 8;

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_loses_an_acknowledged_change_or_invents_one() {
    // Each mode has its own server, so that they wait for restarts at the same time.
    let strikes = MODES.map(|mode| tokio::spawn(strike(mode)));
    let (mut points, mut chosen, mut wrong) = (0, 0, Vec::new());
    for strike in strikes {
        let (struck, of, errors) = strike.await.unwrap();
        points += struck;
        chosen += of;
        wrong.extend(errors);
    }
    println!("{points} points");
    assert_eq!(wrong, Vec::<String>::new());
    // The number of calls varies, so that a run may end before the last chosen calls.
    assert!(points * 10 >= chosen * 6, "{points} points of {chosen}");
}

/// Strikes in one mode. Returns the number of points, the number of chosen calls, and the errors.
async fn strike((mode, name): (i64, &str)) -> (usize, usize, Vec<String>) {
    let mut site = Site::new();
    let (calls, struck, left) = site.strike(0, 0).await;
    assert!(!struck && left.is_ok() && calls > 100, "{calls} calls, {left:?}");
    let (mut points, mut wrong) = (0, Vec::new());
    let chosen = faults::sample(calls, PARTS, mode);
    for at in &chosen {
        let (_, struck, left) = site.strike(mode, *at).await;
        points += usize::from(struck);
        wrong.extend(left.err().map(|error| format!("{name} at call {at} of {calls}: {error}")));
    }
    (points, chosen.len(), wrong)
}
