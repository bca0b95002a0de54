//! Measures many keys: loading from SQLite, memory, and verification during changes.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use doorward::auth::{Core, Issuer, Verifier};
use doorward::key::{FreshKey, SystemRandom};
use doorward::sqlite::SqliteStore;
use doorward::store::OpenMode;
use doorward::types::{AccessKeyId, Clock, Environment, SystemClock};
use rusqlite::{Connection, TransactionBehavior, params};
use stats_alloc::Region;

use crate::harness;
use crate::verify::{self, ALLOCATOR, Subject, Text, draw};

const SAMPLES: usize = 400_000;

pub(crate) async fn run(count: usize, rounds: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("scale.db");
    let core = Core::new(Arc::new(SqliteStore::open(&path, OpenMode::Create).await?));
    let acme = Issuer::new(&core).provision("Acme".parse()?, &harness::operator()?.request()).await?;
    let organization = acme.organization.id.to_string();
    harness::say(&format!("writing {count} keys"));
    let mut writer = Connection::open(&path)?;
    let texts = fill(&mut writer, &core, &organization, count)?;

    let started = SystemClock.reading();
    let seen = bare_scan(&path)?;
    let scanned = SystemClock.reading().raw.since(started.raw).as_secs_f64();
    let region = Region::new(ALLOCATOR);
    let started = SystemClock.reading();
    let verifier = Verifier::start(&core).await?;
    let loaded = SystemClock.reading().raw.since(started.raw).as_secs_f64();
    let change = region.change();
    let bytes = change.bytes_allocated.saturating_sub(change.bytes_deallocated) as f64 / seen as f64;
    let name = |metric: &str| format!("{metric}_{count}_keys");
    harness::print("scale", &name("bare_scan"), scanned, "s", None);
    harness::print("scale", &name("load"), loaded, "s", Some(("a bare scan of the same rows", loaded / scanned)));
    let index = verifier.index_bytes() as f64 / seen as f64;
    harness::print("scale", &name("memory_of_the_index"), index, "bytes per key", None);
    harness::print("scale", &name("memory_with_names_and_ids"), bytes, "bytes per key", None);

    let quiet = p99(&verifier, &texts)?;
    let stop = Arc::new(AtomicBool::new(false));
    let changer = {
        let (stop, core) = (Arc::clone(&stop), core.clone());
        std::thread::spawn(move || change_on(&mut writer, &core, &organization, &stop))
    };
    std::thread::sleep(Duration::from_millis(200));
    let busy = p99(&verifier, &texts)?;
    stop.store(true, Ordering::Release);
    let changes = changer.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
    harness::print("scale", &name("p99_quiet"), quiet, "ns", None);
    let against = Some(("its quiet p99", busy / quiet));
    harness::print("scale", &name("p99_while_1000_changes_a_second"), busy, "ns", against);
    harness::say(&format!("{changes} changes were published meanwhile"));
    verify::measure(&Subject::new(verifier.clone(), texts), rounds)?;
    verifier.stop().await;
    Ok(())
}

const INSERT_KEY: &str =
    "INSERT INTO access_keys (organization, environment, id, slot, name, generations, created_at, created_by)
     VALUES (?1, 'test', ?2, ?2, 'a key', 1, 0, 'bench')";
const INSERT_SECRET: &str =
    "INSERT INTO secrets (organization, environment, access_key, state, locator, digest, generation, created_at)
     VALUES (?1, 'test', ?2, 'current', ?3, ?4, 1, 0)";

/// Inserts one test key. Returns its text.
fn insert(transaction: &rusqlite::Transaction<'_>, core: &Core, organization: &str) -> anyhow::Result<FreshKey> {
    let fresh = FreshKey::generate(core.prefix(), Environment::Test, &SystemRandom)?;
    let id = AccessKeyId::new(core.id_seed()?).to_string();
    transaction.prepare_cached(INSERT_KEY)?.execute([organization, &id])?;
    let (locator, digest) = (fresh.locator(), fresh.digest().to_bytes());
    transaction.prepare_cached(INSERT_SECRET)?.execute(params![organization, id, locator.as_str(), digest])?;
    Ok(fresh)
}

fn fill(writer: &mut Connection, core: &Core, organization: &str, count: usize) -> anyhow::Result<Vec<Text>> {
    writer.busy_timeout(Duration::from_secs(10))?;
    // With a small cache, indexing ten million random locators is slow.
    writer.pragma_update(None, "cache_size", -4_000_000)?;
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut texts = Vec::with_capacity(count);
    for _ in 0..count {
        texts.push(Text::try_from(insert(&transaction, core, organization)?.value().expose().as_bytes())?);
    }
    transaction.commit()?;
    // A long write-ahead log would slow down every read, and the first commit after it.
    writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(texts)
}

/// The minimum work of loading: reads every row of the same tables, with the columns that verification needs.
fn bare_scan(path: &Path) -> anyhow::Result<usize> {
    let connection = Connection::open(path)?;
    let mut scan = connection.prepare(
        "SELECT s.locator, s.digest, k.id, k.name, o.name FROM secrets s
         JOIN access_keys k ON k.organization = s.organization AND k.environment = s.environment AND k.id = s.access_key
         JOIN organizations o ON o.id = s.organization
         ORDER BY s.organization, s.environment, s.access_key, s.state",
    )?;
    let mut rows = scan.query([])?;
    let mut seen = 0;
    while let Some(row) = rows.next()? {
        let (_, _): (String, [u8; 32]) = (row.get(0)?, row.get(1)?);
        let (_, _): (String, String) = (row.get(2)?, row.get(3)?);
        seen += 1;
    }
    Ok(seen)
}

/// Makes ten changes every ten milliseconds.
fn change_on(writer: &mut Connection, core: &Core, organization: &str, stop: &AtomicBool) -> anyhow::Result<u64> {
    let mut changes = 0;
    while !stop.load(Ordering::Acquire) {
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for _ in 0..10 {
            let fresh = insert(&transaction, core, organization)?;
            transaction.execute("UPDATE revision SET value = value + 1 WHERE id = 1", [])?;
            transaction.execute(
                "INSERT INTO changes (revision, touched) SELECT value, ?1 FROM revision WHERE id = 1",
                [fresh.locator().as_str()],
            )?;
            changes += 1;
        }
        transaction.commit()?;
        std::thread::sleep(Duration::from_millis(9));
    }
    Ok(changes)
}

/// Returns the 99th percentile of single verifications, in nanoseconds.
fn p99(verifier: &Verifier, texts: &[Text]) -> anyhow::Result<f64> {
    let mut times = Vec::with_capacity(SAMPLES);
    let mut state = 0x00D0_0124;
    for _ in 0..SAMPLES {
        let text = texts.get(draw(&mut state, texts.len())).context("no text")?;
        let started = SystemClock.reading().raw;
        let verified = verifier.verify(text);
        times.push(SystemClock.reading().raw.since(started).as_nanos() as f64);
        // On a busy machine the node may be late, so the result is ignored.
        std::hint::black_box(verified.is_ok());
    }
    times.sort_by(f64::total_cmp);
    times.get(SAMPLES * 99 / 100).copied().context("no sample")
}
