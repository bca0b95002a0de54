//! Tests of faults at every write and sync: a killed process, a failing or full disk, a power loss.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use doorward_store::OpenMode;
use doorward_store_conformance::faults;

use crate::SqliteStore;
use crate::settings::Settings;

/// The faults, with the numbers of `disk.c`.
const MODES: [(i64, &str); 5] =
    [(1, "killed"), (2, "input/output error"), (3, "no space left"), (4, "power lost"), (5, "power lost, in part")];

const POWER_LOSS: i64 = 4;

/// The number of rounds of the plan in a child.
const ROUNDS: u32 = 3;

/// The variables with the child's task.
const STORE: &str = "DOORWARD_TEST_CHILD_STORE";
const NORMAL: &str = "DOORWARD_TEST_CHILD_NORMAL";

/// The process that a fault strikes.
#[tokio::test]
#[ignore = "no test: the tests below run it"]
async fn child() {
    let Some(path) = std::env::var_os(STORE) else { return };
    let mut settings = Settings::default();
    if std::env::var_os(NORMAL).is_some() {
        settings.synchronous = "NORMAL";
    }
    let Ok(store) = SqliteStore::open_blocking(path.as_ref(), OpenMode::Create.into(), settings) else { return };
    faults::live(&store, ROUNDS).await;
}

/// Returns a folder in memory, if the system has one: the disk is simulated, and the tests make thousands of stores.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// A child in its own folder, with a disk that fails at one call.
struct Strike<'a> {
    disk: &'a Path,
    mode: i64,
    at: i64,
    /// True if the child uses `synchronous=NORMAL`.
    normal: bool,
}

impl Strike<'_> {
    /// Returns the number of calls, whether a fault struck, and the faults of the remaining store.
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

/// The number of calls that the usual run strikes in each mode, beside the first and the last calls.
const PARTS: i64 = 40;

/// A plan that has run once without a fault.
struct Plan {
    disk: PathBuf,
    calls: i64,
    /// True if the children use `synchronous=NORMAL`.
    normal: bool,
    _folder: tempfile::TempDir,
}

impl Plan {
    async fn new(normal: bool) -> Self {
        let folder = scratch();
        let disk = faults::disk(folder.path());
        let (calls, struck, left) = Strike { disk: &disk, mode: 0, at: 0, normal }.strike().await;
        assert!(!struck && left.is_ok(), "{left:?}");
        Self { disk, calls, normal, _folder: folder }
    }

    /// Returns whether a fault struck, and the error of the remaining store.
    async fn strike(&self, (mode, name): (i64, &str), at: i64) -> (bool, Option<String>) {
        let (_, struck, left) = Strike { disk: &self.disk, mode, at, normal: self.normal }.strike().await;
        (struck, left.err().map(|error| format!("{name} at call {at} of {}: {error}", self.calls)))
    }
}

#[tokio::test]
async fn whatever_is_struck_nothing_acknowledged_is_lost_and_nothing_is_made_up() {
    let plan = Plan::new(false).await;
    let (mut points, mut chosen, mut wrong) = (0, 0, Vec::new());
    for mode in MODES {
        for at in faults::sample(plan.calls, PARTS, mode.0) {
            let (struck, error) = plan.strike(mode, at).await;
            chosen += 1;
            points += usize::from(struck);
            wrong.extend(error);
        }
    }
    println!("{points} points");
    assert_eq!(wrong, Vec::<String>::new());
    assert!(plan.calls > 400 && points * 10 >= chosen * 9, "{points} points of {chosen}, {} calls", plan.calls);
}

/// With `synchronous=NORMAL`, a power loss undoes an acknowledged change. If this test finds no loss, the test above
/// cannot fail.
#[tokio::test]
async fn with_synchronous_normal_the_power_takes_what_was_acknowledged() {
    let plan = Plan::new(true).await;
    let mut errors = Vec::new();
    // In the middle, many changes have been acknowledged since the last sync.
    let middle = plan.calls / 2;
    for at in (middle..=plan.calls).chain(1..middle) {
        let error = plan.strike((POWER_LOSS, "power lost"), at).await.1;
        errors.extend(error);
        if errors.last().is_some_and(|error| error.contains("was acknowledged, and is lost")) {
            return;
        }
    }
    panic!("no loss: {errors:?}");
}

#[test]
fn a_sample_has_the_edges_and_one_call_of_each_part() {
    for seed in 0..100 {
        let chosen = faults::choose(108, 10, seed);
        assert_eq!(chosen.len(), 18);
        assert!(chosen.is_sorted_by(|one, next| one < next), "{chosen:?}");
        assert_eq!((&chosen[..4], &chosen[14..]), (&[1, 2, 3, 4][..], &[105, 106, 107, 108][..]));
        let parts = chosen[4..14].iter().map(|call| (call - 5) / 10);
        assert!(parts.eq(0..10), "{chosen:?}");
    }
}

#[test]
fn a_seed_decides_the_sample() {
    assert_eq!(faults::choose(1_000, 50, 7), faults::choose(1_000, 50, 7));
    assert_ne!(faults::choose(1_000, 50, 7), faults::choose(1_000, 50, 8));
}

#[test]
fn a_few_calls_are_all_chosen_once() {
    for calls in 0..30 {
        let chosen = faults::choose(calls, 1_000, 7);
        assert!(chosen.iter().copied().eq(1..=calls), "{chosen:?}");
    }
}
