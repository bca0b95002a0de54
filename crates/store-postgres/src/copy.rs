//! Moving: everything as rows.

use async_trait::async_trait;
use doorward_key::KeyPrefix;
use doorward_store::copy::{Cell, CopiedTable, CopyProgress, Kind, Row, Rows, TABLES};
use doorward_store::{Conflict, Revision, StoreError};
use doorward_types::Incarnation;
use tokio_postgres::types::Type;

use crate::error::unavailable;
use crate::statement::{Statement, sql};
use crate::transaction::{Answers, Decision};
use crate::{PostgresStore, row};

#[async_trait]
impl Rows for PostgresStore {
    async fn count(&self, table: &'static CopiedTable) -> Result<u64, StoreError> {
        row::count(self.query(sql(table.count_statement())).await?.first().ok_or(StoreError::Missing)?, 0)
    }

    async fn rows(&self, table: &'static CopiedTable, after: Option<Row>, limit: u32) -> Result<Vec<Row>, StoreError> {
        let mut page = sql(table.page_statement(after.as_ref().map(|key| places(key.len())).as_deref(), limit));
        for cell in after.into_iter().flatten() {
            page = match cell {
                Cell::Number(number) => page.number(number),
                Cell::Text(text) => page.text(text),
                _ => return Err(unavailable("a key is text or a number")),
            };
        }
        let row = |found: &tokio_postgres::Row| {
            table.columns.iter().enumerate().map(|(place, (_, kind))| cell(found, place, *kind)).collect()
        };
        self.query(page).await?.iter().map(row).collect()
    }

    async fn begin_copy(&self, source: &str) -> Result<CopyProgress, StoreError> {
        let known = self.progress().await?;
        if !known.source.is_empty() {
            return Ok(known);
        }
        let fresh = "DELETE FROM revision WHERE id = 1 AND value = 0 RETURNING value";
        let any = |table: &CopiedTable| sql(format!("SELECT 1 FROM {} LIMIT 1", table.name));
        let reads: Vec<_> = [sql(fresh)].into_iter().chain(TABLES.iter().map(any)).collect();
        let decide = |mut answers: Answers| {
            if answers.next().unwrap_or_default().is_empty() || answers.any(|found| !found.is_empty()) {
                return Err(Conflict::NotEmpty.into());
            }
            Ok(Decision::write(vec![note("", source)], ()))
        };
        self.pool.write(&reads, decide).await?;
        Ok(CopyProgress { source: source.to_owned(), tables: vec![] })
    }

    async fn add_rows(&self, table: &'static CopiedTable, rows: Vec<Row>, until: String) -> Result<(), StoreError> {
        let (names, places) = (table.column_list(), places(table.columns.len()));
        let insert = || {
            let insert = sql(format!("INSERT INTO {} ({names}) SELECT * FROM unnest({places})", table.name));
            let columns = table.columns.iter().enumerate();
            columns.fold(insert, |insert, (place, (_, kind))| array(insert, &rows, place, *kind))
        };
        // The note first, so that another that was stopped in the middle of the same is waited for.
        self.pool.write(&[], |_| Ok(Decision::write(vec![note(table.name, &until), insert()], ()))).await
    }

    /// Without statistics, the server may check references by an index that fits by its first columns only.
    async fn table_filled(&self, table: &'static CopiedTable) -> Result<(), StoreError> {
        self.execute(sql(format!("ANALYZE {}", table.name))).await.map(drop)
    }

    async fn abandon_copy(&self) -> Result<(), StoreError> {
        if self.progress().await?.source.is_empty() {
            return Err(StoreError::Missing);
        }
        // One by one, and each for as long as it takes; begun again, it goes on.
        for table in TABLES.iter().rev() {
            let borrowed = self.pool.borrow().await?;
            let deleted = sql(format!("DELETE FROM {}", table.name)).touched(&borrowed.connection().client).await;
            borrowed.answered(deleted)?;
        }
        self.execute(sql("UPDATE store SET sealing_key = NULL WHERE id = 1")).await?;
        self.finish_copy(Revision(0), None, Incarnation::FIRST).await
    }

    async fn finish_copy(
        &self,
        revision: Revision,
        prefix: Option<&KeyPrefix>,
        incarnation: Incarnation,
    ) -> Result<(), StoreError> {
        let insert = format!("INSERT INTO revision (id, value, timeline) VALUES (1, $1, {})", self.timeline);
        let writes = || {
            vec![
                sql("DELETE FROM copy_progress"),
                sql("UPDATE store SET prefix = $1, incarnation = $2 WHERE id = 1")
                    .text_or_null(prefix)
                    .count(incarnation.0),
                sql(insert.clone()).count(revision.0),
            ]
        };
        self.pool.write(&[], |_| Ok(Decision::write(writes(), ()))).await
    }
}

impl PostgresStore {
    async fn progress(&self) -> Result<CopyProgress, StoreError> {
        let mut progress = CopyProgress::default();
        for found in &self.query(sql("SELECT table_name, came_to FROM copy_progress")).await? {
            match (row::get(found, 0)?, row::get(found, 1)?) {
                ("", source) => progress.source = source,
                (table, came_to) => progress.tables.push((table.to_owned(), came_to)),
            }
        }
        Ok(progress)
    }
}

fn note(table: &str, came_to: &str) -> Statement {
    let note = "INSERT INTO copy_progress (table_name, came_to) VALUES ($1, $2)
                ON CONFLICT (table_name) DO UPDATE SET came_to = excluded.came_to";
    sql(note).text(table).text(came_to)
}

/// `$1, $2, …`
fn places(count: usize) -> String {
    (1..=count).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ")
}

/// Adds a column of the rows to a statement, as one parameter.
fn array(statement: Statement, rows: &[Row], place: usize, kind: Kind) -> Statement {
    fn column<T>(rows: &[Row], place: usize, value: impl Fn(&Cell) -> Option<T>) -> Vec<Option<T>> {
        rows.iter().map(|row| row.get(place).and_then(&value)).collect()
    }
    match kind {
        Kind::Bytes => {
            let value = |cell: &Cell| if let Cell::Bytes(bytes) = cell { Some(bytes.clone()) } else { None };
            statement.with(column(rows, place, value), Type::BYTEA_ARRAY)
        }
        Kind::Flag => {
            let value = |cell: &Cell| if let Cell::Flag(flag) = cell { Some(*flag) } else { None };
            statement.with(column(rows, place, value), Type::BOOL_ARRAY)
        }
        Kind::Number => {
            let value = |cell: &Cell| if let Cell::Number(number) = cell { Some(*number) } else { None };
            statement.with(column(rows, place, value), Type::INT8_ARRAY)
        }
        Kind::Text => {
            let value = |cell: &Cell| if let Cell::Text(text) = cell { Some(text.clone()) } else { None };
            statement.with(column(rows, place, value), Type::TEXT_ARRAY)
        }
    }
}

fn cell(found: &tokio_postgres::Row, place: usize, kind: Kind) -> Result<Cell, StoreError> {
    let cell = match kind {
        Kind::Bytes => row::get::<Option<Vec<u8>>>(found, place)?.map(Cell::Bytes),
        Kind::Flag => row::get::<Option<bool>>(found, place)?.map(Cell::Flag),
        Kind::Number => row::get::<Option<i64>>(found, place)?.map(Cell::Number),
        Kind::Text => row::get::<Option<String>>(found, place)?.map(Cell::Text),
    };
    Ok(cell.unwrap_or(Cell::Null))
}
