//! Measures `doorward store copy` with many keys, against a bare batched insert of the same rows.

use std::path::Path;

use doorward::copy;
use doorward::sqlite::SqliteStore;
use doorward::store::OpenMode;
use doorward::store::copy::{Cell, Row, Rows};
use doorward::types::{Clock, SystemClock};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::{harness, rows};

/// The number of rows in a transaction, on both sides.
const BATCH: u32 = 5_000;

pub(crate) async fn run(count: usize, rounds: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let source = SqliteStore::open(folder.path().join("source.db"), OpenMode::Create).await?;
    harness::say(&format!("writing {count} keys"));
    rows::fill(&source, count).await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        theirs.push(bare_insert(&source, &folder.path().join(format!("bare-{round}.db"))).await?);
        let path = folder.path().join(format!("copy-{round}.db"));
        let copied = SqliteStore::open(&path, OpenMode::Create).await?;
        let started = SystemClock.reading();
        copy::copy(&source, &copied, "the source", &mut |_| {}).await?;
        ours.push(SystemClock.reading().raw.since(started.raw).as_secs_f64());
    }
    let name = |metric: &str| format!("{metric}_{count}_keys");
    harness::print("moving", &name("bare_batched_insert"), harness::median(&theirs), "s", None);
    let against = Some(("a bare batched insert of the same rows", harness::ratio(&ours, &theirs)));
    harness::print("moving", &name("copy_and_verify"), harness::median(&ours), "s", against);
    Ok(())
}

/// Returns the seconds for inserting the same rows into the same tables. Reading them is not counted.
async fn bare_insert(source: &dyn Rows, path: &Path) -> anyhow::Result<f64> {
    drop(SqliteStore::open(path, OpenMode::Create).await?);
    let mut bare = Connection::open(path)?;
    bare.pragma_update(None, "synchronous", "FULL")?;
    let mut seconds = 0.0;
    for table in source.tables() {
        let places = (1..=table.columns.len()).map(|place| format!("?{place}")).collect::<Vec<_>>().join(", ");
        let sql = format!("INSERT INTO {} ({}) VALUES ({places})", table.name, table.column_list());
        let mut page = source.rows(table, None, BATCH).await?;
        while let Some(last) = page.last() {
            let key: Row = last.iter().take(table.key).cloned().collect();
            let values: Vec<Vec<Value>> = page.into_iter().map(|row| row.into_iter().map(value).collect()).collect();
            let started = SystemClock.reading();
            let transaction = bare.transaction()?;
            let mut insert = transaction.prepare_cached(&sql)?;
            for row in &values {
                insert.execute(params_from_iter(row))?;
            }
            drop(insert);
            transaction.commit()?;
            seconds += SystemClock.reading().raw.since(started.raw).as_secs_f64();
            page = source.rows(table, Some(key), BATCH).await?;
        }
    }
    Ok(seconds)
}

fn value(cell: Cell) -> Value {
    match cell {
        Cell::Bytes(bytes) => Value::Blob(bytes),
        Cell::Flag(flag) => Value::Integer(i64::from(flag)),
        Cell::Null => Value::Null,
        Cell::Number(number) => Value::Integer(number),
        Cell::Text(text) => Value::Text(text),
    }
}
