//! The schema, step by step; the store's own record; and what a server must be like to be trusted with them.

use doorward_key::{Random, SystemRandom};
use doorward_store::{LONGEST_LEASE, OpenMode, StoreError, StoreId};
use doorward_store_sql::sql;
use doorward_types::Incarnation;

use crate::connections::Connections;
use crate::error::{of_migration, unavailable};
use crate::schema::{MIGRATIONS, OLDEST, known};
use crate::transaction::{Answers, Decision};
use crate::{failover, row};

/// The table that says how many of the migrations a database has seen.
const STEPS: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS schema_steps (
        id   BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
        done BIGINT NOT NULL
    )",
    "INSERT INTO schema_steps (id, done) VALUES (1, 0) ON CONFLICT (id) DO NOTHING",
];

/// Brings a database up to date; returns the expression that tells its timeline. Several nodes may come here at once: each
/// step is taken by the holder of the row that counts them.
pub(crate) async fn run(pool: &Connections, mode: OpenMode) -> Result<&'static str, StoreError> {
    check(pool).await?;
    if !is_ours(pool).await? {
        if mode == OpenMode::Existing {
            return Err(StoreError::Missing);
        }
        // The table and its row together: a node that finds one must find the other, which is the lock of every step.
        pool.write(&[], |_| Ok(Decision::write(STEPS.map(sql).into(), ()))).await?;
    }
    while step(pool).await? {}
    introduce(pool).await?;
    failover::timeline(pool).await
}

/// Takes the next step; returns whether there was one.
async fn step(pool: &Connections) -> Result<bool, StoreError> {
    let lock = sql("SELECT done FROM schema_steps WHERE id = 1 FOR UPDATE");
    let decide = |mut answers: Answers| {
        let done = row::value(&answers.next().unwrap_or_default())?.unwrap_or(0);
        let migration = usize::try_from(done).ok().and_then(|done| MIGRATIONS.get(done));
        let next = sql("UPDATE schema_steps SET done = $1 WHERE id = 1").bind(&(done + 1));
        let writes = migration.map(|migration| vec![sql(migration.clone()), next]);
        Ok(Decision::write(writes.unwrap_or_default(), done < known()))
    };
    pool.write(&[lock], decide).await.map_err(of_migration)
}

async fn is_ours(pool: &Connections) -> Result<bool, StoreError> {
    let find = "SELECT 1 FROM information_schema.tables
                WHERE table_name = 'schema_steps' AND table_schema = current_schema()";
    Ok(!pool.query(sql(find)).await?.is_empty())
}

/// Makes the store's own record, if there is none, and reads whether this program may use the store.
async fn introduce(pool: &Connections) -> Result<(), StoreError> {
    let mut name = [0; 16];
    SystemRandom.fill(&mut name).map_err(unavailable)?;
    // Nodes of an older program may hold leases, and did not say how long.
    let make = "INSERT INTO store (id, identity, incarnation, prefix, longest_lease_ms, oldest_schema)
                SELECT 1, $1, $2, NULL, CASE WHEN EXISTS (SELECT 1 FROM organizations) THEN $3 ELSE 0 END, $4
                ON CONFLICT (id) DO NOTHING";
    let make = sql(make).bind(&StoreId::from_bytes(name)).bind(&Incarnation::FIRST);
    pool.execute(make.bind(&LONGEST_LEASE).bind(&OLDEST)).await?;
    let find = "SELECT s.done, i.oldest_schema FROM schema_steps s JOIN store i ON i.id = 1 WHERE s.id = 1";
    let found: Option<(i64, u64)> = row::first(&pool.query(sql(find)).await?)?;
    let (found, oldest) = found.ok_or(StoreError::Unfinished)?;
    if oldest > known() {
        let supported = i64::try_from(known()).unwrap_or(i64::MAX);
        return Err(StoreError::UnsupportedSchema { found, supported });
    }
    Ok(())
}

/// Refuses a server that would acknowledge what it may yet lose. A standby is refused at every connection.
async fn check(pool: &Connections) -> Result<(), StoreError> {
    let settings = "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit')";
    let found = pool.query(sql(settings)).await?;
    for (name, setting) in row::all::<(String, String)>(&found)? {
        match (&*name, &*setting) {
            ("fsync", "off") => {
                return Err(unavailable(
                    "the server runs with fsync=off: after a crash, a dead key could come back. Set fsync=on",
                ));
            }
            ("synchronous_commit", "off") => {
                return Err(unavailable(
                    "the server runs with synchronous_commit=off: after a crash, a dead key could come back. Set it to on",
                ));
            }
            _ => {}
        }
    }
    Ok(())
}
