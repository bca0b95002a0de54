//! Changes on SQLite: against a bare transaction of the same writes, from the command line, and with a silent node.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use doorward::auth::{Core, Issuer, StagedKey, Verifier};
use doorward::sqlite::SqliteStore;
use doorward::store::OpenMode;
use doorward::types::{Clock, SystemClock};
use rusqlite::{Connection, TransactionBehavior, params};

use crate::programs::Running;
use crate::{harness, programs};

const PER_ROUND: u32 = 40;
const FROM_CLI: usize = 200;

pub(crate) async fn run(rounds: usize) -> anyhow::Result<()> {
    one_process(rounds).await?;
    from_the_command_line()
}

fn elapsed(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    let started = SystemClock.reading();
    work()?;
    Ok(SystemClock.reading().raw.since(started.raw))
}

/// Measures a regeneration beside a verifying node, against the same writes in one bare transaction with `synchronous=FULL`.
async fn one_process(rounds: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(folder.path().join("ours.db"), OpenMode::Create).await?;
    let verifier = Verifier::start(&Core::new(Arc::new(store))).await?;
    let issuer = Issuer::beside(&verifier);
    let request = harness::operator()?.request();
    let acme = issuer.provision("Acme".parse()?, &request).await?;

    let bare_path = folder.path().join("bare.db");
    let bare_store = SqliteStore::open(&bare_path, OpenMode::Create).await?;
    let bare_core = Core::new(Arc::new(bare_store));
    let bare_acme = Issuer::new(&bare_core).provision("Acme".parse()?, &request).await?;
    drop(bare_core);
    let mut bare = Connection::open(&bare_path)?;
    bare.pragma_update(None, "synchronous", "FULL")?;
    let mut bare_writes = BareWrites {
        organization: bare_acme.organization.id.to_string(),
        key: bare_acme.key.id.to_string(),
        locator: bare_acme.secret.locator.to_string(),
        generation: 1,
    };

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        // The sides take turns, since a disk's speed changes over longer times.
        let (mut mine, mut bare_ones) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..PER_ROUND {
            let started = SystemClock.reading();
            issuer.regenerate(acme.organization.id, StagedKey::Promote, &request).await?;
            mine += SystemClock.reading().raw.since(started.raw);
            bare_ones += elapsed(|| bare_writes.once(&mut bare))?;
        }
        ours.push(mine.as_secs_f64() * 1e6 / f64::from(PER_ROUND));
        theirs.push(bare_ones.as_secs_f64() * 1e6 / f64::from(PER_ROUND));
    }
    verifier.stop().await;
    harness::print("changes", "bare_transaction", harness::median(&theirs), "us", None);
    let against = Some(("a bare transaction of the same writes", harness::ratio(&ours, &theirs)));
    harness::print("changes", "regenerate_one_process", harness::median(&ours), "us", against);
    Ok(())
}

struct BareWrites {
    organization: String,
    key: String,
    locator: String,
    generation: u32,
}

impl BareWrites {
    /// Writes the rows of a regeneration.
    fn once(&mut self, connection: &mut Connection) -> anyhow::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        self.generation += 1;
        let Self { organization, key, locator, generation } = &*self;
        let next = format!("{generation:010}");
        let run = |sql: &str, params: &[&dyn rusqlite::ToSql]| transaction.prepare_cached(sql)?.execute(params);
        run("DELETE FROM secrets WHERE locator = ?1", &[locator])?;
        run(
            "UPDATE access_keys SET generations = ?4 WHERE organization = ?1 AND environment = ?2 AND id = ?3",
            params![organization, "production", key, generation],
        )?;
        run(
            "INSERT INTO secrets (organization, environment, access_key, state, locator, digest, generation, created_at)
             VALUES (?1, 'production', ?2, 'current', ?3, ?4, ?5, 0)",
            params![organization, key, next, [0_u8; 32], generation],
        )?;
        run("UPDATE revision SET value = value + 1 WHERE id = 1", params![])?;
        for touched in [locator, &next] {
            run(
                "INSERT INTO changes (revision, touched) SELECT value, ?1 FROM revision WHERE id = 1",
                params![touched],
            )?;
        }
        run(
            "INSERT INTO audit_events (organization, environment, sequence, time, actor, action, subject, detail)
             SELECT ?1, 'production', coalesce(max(sequence), 0) + 1, 0, 'bench', 'access_key.regenerated', ?2, ?3
             FROM audit_events WHERE organization = ?1 AND environment = 'production'",
            params![organization, key, "x".repeat(220)],
        )?;
        transaction.commit()?;
        self.locator = next;
        Ok(())
    }
}

/// Measures the whole command from start to end, first while a server runs on the same file, then with a stopped server.
fn from_the_command_line() -> anyhow::Result<()> {
    programs::build()?;
    let folder = tempfile::tempdir()?;
    let server = start(folder.path())?;
    let mut times = Vec::with_capacity(FROM_CLI);
    for _ in 0..FROM_CLI {
        times.push(elapsed(|| regenerate(folder.path()))?.as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    harness::print("changes", "regenerate_from_cli_p50", harness::median(&times), "ms", None);
    let p99 = times.get(FROM_CLI * 99 / 100).copied().unwrap_or(f64::NAN);
    harness::print("changes", "regenerate_from_cli_p99", p99, "ms", None);

    let stopped = Command::new("kill").args(["-STOP", &server.0.id().to_string()]).status()?;
    if !stopped.success() {
        bail!("the server could not be stopped");
    }
    let silent = elapsed(|| regenerate(folder.path()))?;
    harness::print("changes", "regenerate_one_node_silent", silent.as_secs_f64() * 1e3, "ms", None);
    Ok(())
}

fn regenerate(folder: &Path) -> anyhow::Result<()> {
    let done =
        Command::new(programs::built("doorward")).args(["key", "regenerate", "--yes"]).current_dir(folder).output()?;
    if done.status.success() { Ok(()) } else { bail!("{}", String::from_utf8_lossy(&done.stderr)) }
}

fn start(folder: &Path) -> anyhow::Result<Running> {
    let child = Command::new(programs::built("doorward-server"))
        .args(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("the server cannot be started")?;
    let running = Running(child);
    std::thread::sleep(Duration::from_secs(1));
    Ok(running)
}
