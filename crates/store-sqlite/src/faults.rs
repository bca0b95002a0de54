//! The process killed, the disk failing or full, the power gone: at every write and every sync.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use doorward_store::OpenMode;
use doorward_store_conformance::faults;

use crate::SqliteStore;
use crate::settings::Settings;

/// The faults that strike a call, as `disk.c` numbers them.
const MODES: [(i64, &str); 5] =
    [(1, "killed"), (2, "input/output error"), (3, "no space left"), (4, "power lost"), (5, "power lost, in part")];

const POWER_LOSS: i64 = 4;

/// The rounds of the plan that a child carries out.
const ROUNDS: u32 = 3;

/// The variables that tell the child its task.
const STORE: &str = "DOORWARD_TEST_CHILD_STORE";
const NORMAL: &str = "DOORWARD_TEST_CHILD_NORMAL";

/// The process that is struck.
#[tokio::test]
#[ignore = "no test: the tests below run it"]
async fn child() {
    let Some(path) = std::env::var_os(STORE) else { return };
    let mut settings = Settings::default();
    if std::env::var_os(NORMAL).is_some() {
        settings.synchronous = "NORMAL";
    }
    let Ok(store) = SqliteStore::open_blocking(path.as_ref(), OpenMode::Create, settings) else { return };
    faults::live(&store, ROUNDS).await;
}

/// A folder in memory, if the system has one: the disk is simulated, and thousands of stores are made.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// A child in a folder of its own, with a disk that fails at one call.
struct Strike<'a> {
    disk: &'a Path,
    mode: i64,
    at: i64,
    /// Lets the child ask for less than `synchronous=FULL`.
    normal: bool,
}

impl Strike<'_> {
    /// Returns the number of calls, true if a call was struck, and the faults of the store that is left.
    async fn strike(&self) -> (i64, bool, Result<(), String>) {
        let folder = scratch();
        let (store, control) = (folder.path().join("doorward.db"), folder.path().join("control"));
        let words = [0, self.at, self.mode, 0];
        std::fs::write(&control, words.map(i64::to_le_bytes).concat()).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--ignored", "--exact", "faults::child", "--nocapture", "--test-threads=1"]);
        child.env(STORE, &store).env("LD_PRELOAD", self.disk);
        child.env("DISK_FOLDER", folder.path()).env("DISK_FILTER", "doorward.db").env("DISK_CONTROL", &control);
        if self.normal {
            child.env(NORMAL, "1");
        }
        let done = child.stdin(Stdio::null()).stderr(Stdio::null()).output().unwrap();
        let words = std::fs::read(&control).unwrap();
        let word = |place: usize| i64::from_le_bytes(words.as_chunks::<8>().0[place]);
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        let left = match SqliteStore::open(&store, OpenMode::Create).await {
            Ok(store) => faults::judge(&store, ROUNDS, &said).await,
            Err(error) => Err(format!("it cannot be opened: {error:?}")),
        };
        (word(0), word(3) > 0, left)
    }
}

/// Strikes at every so many-th call of each mode; how many points there were, and what went wrong.
async fn strike_everywhere(modes: &[(i64, &str)], every: usize, normal: bool) -> (u64, Vec<String>) {
    let folder = scratch();
    let disk = faults::disk(folder.path());
    let (calls, struck, left) = Strike { disk: &disk, mode: 0, at: 0, normal }.strike().await;
    assert!(!struck && left.is_ok(), "{left:?}");
    let points = AtomicU64::new(0);
    let strike = async |mode: i64, name: &str, at: i64| {
        let (_, struck, left) = Strike { disk: &disk, mode, at, normal }.strike().await;
        points.fetch_add(u64::from(struck), Ordering::Relaxed);
        left.err().map(|error| format!("{name} at call {at} of {calls}: {error}"))
    };
    let mut wrong = Vec::new();
    for (mode, name) in modes {
        for at in (1..=calls).step_by(every) {
            wrong.extend(strike(*mode, name, at).await);
        }
    }
    (points.into_inner(), wrong)
}

#[tokio::test]
async fn whatever_is_struck_nothing_acknowledged_is_lost_and_nothing_is_made_up() {
    let (points, wrong) = strike_everywhere(&MODES, 1, false).await;
    println!("{points} points");
    assert_eq!(wrong, Vec::<String>::new());
    assert!(points >= 2_000, "{points} points");
}

/// With less than `synchronous=FULL` an acknowledged change is lost with the power: if this finds nothing, the test above
/// has no teeth.
#[tokio::test]
async fn with_synchronous_normal_the_power_takes_what_was_acknowledged() {
    let (_, wrong) = strike_everywhere(&[(POWER_LOSS, "power lost")], 1, true).await;
    assert!(wrong.iter().any(|error| error.contains("was acknowledged, and is lost")), "{wrong:?}");
}
