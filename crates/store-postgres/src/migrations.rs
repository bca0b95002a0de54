//! The schema, step by step; and what a server must be like to be trusted with it.

use doorward_store::{OpenMode, StoreError};

use crate::error::{of_statement, unavailable};
use crate::row::{self, number};
use crate::{PostgresStore, transaction};

/// Each statement is one migration.
const SCHEMA: &str = include_str!("../migrations/schema.sql");

/// What says how many of them a database has seen.
const STEPS: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS schema_steps (
        id   BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
        done BIGINT NOT NULL
    )",
    "INSERT INTO schema_steps (id, done) VALUES (1, 0) ON CONFLICT (id) DO NOTHING",
];

fn migrations() -> Vec<String> {
    let without_comments: String = SCHEMA.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
    without_comments
        .split_terminator(';')
        .map(|statement| statement.trim().to_owned())
        .filter(|s| !s.is_empty())
        .collect()
}

/// Several nodes may come here at once: each step is taken by whoever holds the row that counts them.
pub(crate) async fn run(store: &PostgresStore, mode: OpenMode) -> Result<(), StoreError> {
    check(store).await?;
    if !is_ours(store).await? {
        if mode == OpenMode::Existing {
            return Err(StoreError::Missing);
        }
        transaction::again(|| count_steps(store)).await?;
    }
    let migrations = migrations();
    while transaction::again(|| step(store, &migrations)).await? {}
    Ok(())
}

/// Makes the table and its row together: whoever finds the one must find the other, which is the lock of every step.
async fn count_steps(store: &PostgresStore) -> Result<(), StoreError> {
    let mut client = store.client().await?;
    let transaction = transaction::begin(&mut client).await?;
    for statement in STEPS {
        transaction.execute_typed(statement, &[]).await.map_err(of_statement)?;
    }
    transaction.commit().await.map_err(of_statement)
}

/// Takes the next step; whether there was one.
async fn step(store: &PostgresStore, migrations: &[String]) -> Result<bool, StoreError> {
    let mut client = store.client().await?;
    let transaction = transaction::begin(&mut client).await?;
    let found = transaction
        .query_typed("SELECT done FROM schema_steps WHERE id = 1 FOR UPDATE", &[])
        .await
        .map_err(of_statement)?;
    let done = found.first().map(|row| row::count(row, 0)).transpose()?.unwrap_or(0);
    let known = migrations.len() as u64;
    if done > known {
        return Err(StoreError::UnsupportedSchema { found: row::big(done), supported: row::big(known) });
    }
    let Some(migration) = usize::try_from(done).ok().and_then(|done| migrations.get(done)) else { return Ok(false) };
    transaction.execute_typed(migration, &[]).await.map_err(of_statement)?;
    let next = row::big(done + 1);
    transaction
        .execute_typed("UPDATE schema_steps SET done = $1 WHERE id = 1", &[number(&next)])
        .await
        .map_err(of_statement)?;
    transaction.commit().await.map_err(of_statement)?;
    Ok(true)
}

async fn is_ours(store: &PostgresStore) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM information_schema.tables
               WHERE table_name = 'schema_steps' AND table_schema = current_schema()";
    Ok(!store.query(sql, &[]).await?.is_empty())
}

/// Refuses a server that would acknowledge what it may yet lose. A standby is refused at every connection.
async fn check(store: &PostgresStore) -> Result<(), StoreError> {
    let sql = "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit')";
    for found in &store.query(sql, &[]).await? {
        match (row::get(found, 0)?, row::get(found, 1)?) {
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
