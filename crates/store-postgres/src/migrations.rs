//! The migrations, the store's own record, and the checks of the server's settings.

use std::time::Duration;

use doorward_key::{Random, SystemRandom};
use doorward_store::{LONGEST_LEASE, Migration, OpenMode, Opening, SchemaState, StoreError, StoreId};
use doorward_store_sql::sql;
use doorward_types::Incarnation;
use tokio_postgres::error::SqlState;

use crate::connections::Connections;
use crate::error::{code_of, unavailable};
use crate::place::Content;
use crate::schema::{MIGRATIONS, OLDEST, known};
use crate::schema_name::SchemaName;
use crate::transaction::{Answers, Decision};
use crate::{failover, place, row};

/// The number of migrations that one transaction takes while the store has no rows yet. They end within the time limit of
/// a statement on a busy server too.
const TOGETHER: usize = 8;

/// The time that a migration may wait for a lock: much shorter than a lease.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '500ms'";

/// The number of times that a migration tries to get its locks, and the pause between two tries.
const LOCK_TURNS: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_secs(1);

/// Returns the version of the schema beside those that programs know or need.
pub(crate) async fn state(pool: &Connections) -> Result<SchemaState, StoreError> {
    let done: u64 =
        row::value(&pool.query(sql("SELECT done FROM schema_steps WHERE id = 1")).await?)?.unwrap_or_default();
    let oldest = pool.query(sql("SELECT oldest_schema FROM store WHERE id = 1")).await;
    // A store that is being created has no record of itself yet.
    let oldest = oldest.and_then(|found| row::value(&found)).ok().flatten().unwrap_or_default();
    Ok(SchemaState::new(done, known(), oldest))
}

/// Returns whether missing migrations may be taken, or fails.
async fn may_migrate(pool: &Connections, opening: Opening, content: &Content) -> Result<bool, StoreError> {
    let or_create = || if opening.mode == OpenMode::Create { Ok(true) } else { Err(StoreError::NotFound) };
    if content.is_new() {
        // Another process may be creating it.
        return or_create();
    }
    let SchemaState { found, needed, .. } = state(pool).await?;
    if found >= needed || opening.migration == Migration::Always {
        return Ok(true);
    }
    if is_begun(pool).await? {
        return or_create();
    }
    let number = |version| i64::try_from(version).unwrap_or(i64::MAX);
    let older = Err(StoreError::OlderSchema { found: number(found), needed: number(needed) });
    match opening.migration {
        Migration::IfAlone => {
            let node = sql("SELECT 1 FROM sessions WHERE retired = FALSE LIMIT 1");
            if pool.query(node).await?.is_empty() { Ok(true) } else { older }
        }
        Migration::Skip => Ok(false),
        _ => older,
    }
}

/// Returns whether the creation of the store has begun and not ended: another process is at it, or was killed. Such a store has
/// no record of itself, and nobody's organization.
async fn is_begun(pool: &Connections) -> Result<bool, StoreError> {
    let has = async |table: &str| match pool.query(sql(format!("SELECT 1 FROM {table} LIMIT 1"))).await {
        Err(error) if code_of(&error) == Some(&SqlState::UNDEFINED_TABLE) => Ok(false),
        found => found.map(|rows| !rows.is_empty()),
    };
    Ok(!has("store").await? && !has("organizations").await?)
}

/// Brings a store up to date, if the caller allows it. Returns the SQL expression of its timeline. Several nodes may do this at once: the lock on
/// the counter's row lets one node take each step. Fails if another program has a table with a name that a missing
/// migration creates.
pub(crate) async fn run(pool: &Connections, schema: &SchemaName, opening: Opening) -> Result<&'static str, StoreError> {
    // The content is read before the counter, so every table of another node's migrations is counted.
    let mut schemas = place::contents(&pool.query(place::contents_of(schema)).await?)?;
    let content = schemas.remove(schema.as_str()).unwrap_or_default();
    if may_migrate(pool, opening, &content).await? {
        while step_in_turns(pool, schema, &content).await? {}
        introduce(pool).await?;
    }
    failover::timeline(pool).await
}

/// Takes a step, and waits for the locks of other sessions in short turns. While a statement waits for a lock on a table, all
/// later statements on the table wait behind it, and running nodes lose their leases.
async fn step_in_turns(pool: &Connections, schema: &SchemaName, content: &Content) -> Result<bool, StoreError> {
    for turn in 0..LOCK_TURNS {
        match step(pool, schema, content).await {
            Err(error) if code_of(&error) == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                if turn == 0 {
                    tracing::warn!("a migration waits for another session, which has a lock on the store's tables");
                }
                tokio::time::sleep(LOCK_PAUSE).await;
            }
            other => return other,
        }
    }
    Err(unavailable(
        "another session has a lock on the store's tables, such as that of pg_dump: wait until it has ended, then migrate \
         again",
    ))
}

/// Takes the next step: one migration, or several of a store without rows. Returns false if no migration was left.
async fn step(pool: &Connections, schema: &SchemaName, content: &Content) -> Result<bool, StoreError> {
    let lock = sql("SELECT done FROM schema_steps WHERE id = 1 FOR UPDATE");
    let count = if content.is_new() { TOGETHER } else { 1 };
    let decide = |mut answers: Answers| {
        let done: u64 = row::value(&answers.next().unwrap_or_default())?.unwrap_or(0);
        let place = usize::try_from(done).unwrap_or(usize::MAX);
        content.refuse_foreign(schema, place)?;
        let mut writes: Vec<_> = MIGRATIONS.iter().skip(place).take(count).map(|taken| sql(taken.clone())).collect();
        if !writes.is_empty() {
            let taken = done.saturating_add(writes.len() as u64);
            writes.insert(0, sql(LOCK_TIMEOUT));
            writes.push(sql("UPDATE schema_steps SET done = $1 WHERE id = 1").bind(&taken));
        }
        let is_left = !writes.is_empty();
        Ok(Decision::write(writes, is_left))
    };
    pool.write(&[lock], decide).await
}

/// Creates the store's own record if it is missing. Fails if this program may not use the store.
async fn introduce(pool: &Connections) -> Result<(), StoreError> {
    let mut name = [0; 16];
    SystemRandom.fill(&mut name).map_err(unavailable)?;
    // Nodes of an older program may hold leases of an unknown length.
    let make = "INSERT INTO store (id, identity, incarnation, prefix, longest_lease_ms, oldest_schema)
                SELECT 1, $1, $2, NULL, CASE WHEN EXISTS (SELECT 1 FROM organizations) THEN $3 ELSE 0 END, $4
                ON CONFLICT (id) DO NOTHING";
    let make = sql(make).bind(&StoreId::from_bytes(name)).bind(&Incarnation::FIRST);
    pool.execute(make.bind(&LONGEST_LEASE).bind(&OLDEST)).await?;
    let find = "SELECT s.done, i.oldest_schema FROM schema_steps s JOIN store i ON i.id = 1 WHERE s.id = 1";
    let found: Option<(i64, u64)> = row::first(&pool.query(sql(find)).await?)?;
    let (found, oldest) = found.ok_or(StoreError::UnfinishedCopy)?;
    if oldest > known() {
        let supported = i64::try_from(known()).unwrap_or(i64::MAX);
        return Err(StoreError::UnsupportedSchema { found, supported });
    }
    Ok(())
}

/// Refuses a server that may lose a commit after acknowledging it. Standbys are refused at every connection.
pub(crate) async fn check(pool: &Connections) -> Result<(), StoreError> {
    let settings = "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit')";
    let found = pool.query(sql(settings)).await?;
    for (name, setting) in row::all::<(String, String)>(&found)? {
        match (&*name, &*setting) {
            ("fsync", "off") => {
                return Err(StoreError::Settings(
                    "the server runs with fsync=off: after a crash, a dead key could come back. Set fsync=on".into(),
                ));
            }
            ("synchronous_commit", "off") => {
                return Err(StoreError::Settings(
                    "the server runs with synchronous_commit=off: after a crash, a dead key could come back. Set it to on"
                        .into(),
                ));
            }
            _ => {}
        }
    }
    Ok(())
}
