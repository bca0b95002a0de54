//! Moving: everything as rows.

use async_trait::async_trait;
use deadpool_postgres::Transaction;
use doorward_store::copy::{Cell, CopiedTable, CopyProgress, Kind, Row, Rows, TABLES};
use doorward_store::{Conflict, Revision, StoreError};
use tokio_postgres::types::{ToSql, Type};

use crate::connect::in_time;
use crate::error::{of_statement, unavailable};
use crate::row::{self, Param, number, text};
use crate::{PostgresStore, transaction};

#[async_trait]
impl Rows for PostgresStore {
    async fn count(&self, table: &'static CopiedTable) -> Result<u64, StoreError> {
        row::count(self.query(&table.count_statement(), &[]).await?.first().ok_or(StoreError::Missing)?, 0)
    }

    async fn rows(&self, table: &'static CopiedTable, after: Option<Row>, limit: u32) -> Result<Vec<Row>, StoreError> {
        let sql = table.page_statement(after.as_ref().map(|key| places(key.len())).as_deref(), limit);
        let key = |cell: &Cell| match cell {
            Cell::Number(number) => Ok((Box::new(*number) as Box<dyn ToSql + Send + Sync>, Type::INT8)),
            Cell::Text(text) => Ok((Box::new(text.clone()) as Box<dyn ToSql + Send + Sync>, Type::TEXT)),
            _ => Err(unavailable("a key is text or a number")),
        };
        let after = after.iter().flatten().map(key).collect::<Result<Vec<_>, _>>()?;
        let params: Vec<Param<'_>> =
            after.iter().map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone())).collect();
        let found = self.query(&sql, &params).await?;
        let row = |found: &tokio_postgres::Row| {
            table.columns.iter().enumerate().map(|(place, (_, kind))| cell(found, place, *kind)).collect()
        };
        found.iter().map(row).collect()
    }

    async fn begin_copy(&self, source: &str) -> Result<CopyProgress, StoreError> {
        let known = self.progress().await?;
        if !known.source.is_empty() {
            return Ok(known);
        }
        let once = || async {
            let mut client = self.client().await?;
            let transaction = transaction::begin(&mut client).await?;
            let fresh = "DELETE FROM revision WHERE id = 1 AND value = 0";
            if transaction.execute_typed(fresh, &[]).await.map_err(of_statement)? != 1 {
                return Err(Conflict::NotEmpty.into());
            }
            for table in TABLES {
                let any = format!("SELECT 1 FROM {} LIMIT 1", table.name);
                if !transaction.query_typed(&any, &[]).await.map_err(of_statement)?.is_empty() {
                    return Err(Conflict::NotEmpty.into());
                }
            }
            note(&transaction, "", source).await?;
            transaction.commit().await.map_err(of_statement)
        };
        transaction::again(|| in_time(once())).await?;
        Ok(CopyProgress { source: source.to_owned(), tables: vec![] })
    }

    async fn add_rows(&self, table: &'static CopiedTable, rows: Vec<Row>, until: String) -> Result<(), StoreError> {
        let columns: Vec<_> = table.columns.iter().enumerate().map(|(place, (_, kind))| (place, *kind)).collect();
        let arrays: Vec<_> = columns.iter().map(|(place, kind)| array(&rows, *place, *kind)).collect();
        let params: Vec<Param<'_>> =
            arrays.iter().map(|(values, kind)| (&**values as &(dyn ToSql + Sync), kind.clone())).collect();
        let (names, places) = (table.column_list(), places(columns.len()));
        let sql = format!("INSERT INTO {} ({names}) SELECT * FROM unnest({places})", table.name);
        let once = || async {
            let mut client = self.client().await?;
            let transaction = transaction::begin(&mut client).await?;
            // First of all, so that whoever was killed in the middle of the same is waited for.
            note(&transaction, table.name, &until).await?;
            transaction.execute_typed(&sql, &params).await.map_err(of_statement)?;
            transaction.commit().await.map_err(of_statement)
        };
        transaction::again(|| in_time(once())).await
    }

    /// Without statistics, the server may check references by an index that fits by its first columns only.
    async fn table_filled(&self, table: &'static CopiedTable) -> Result<(), StoreError> {
        self.execute(&format!("ANALYZE {}", table.name), &[]).await.map(drop)
    }

    async fn abandon_copy(&self) -> Result<(), StoreError> {
        if self.progress().await?.source.is_empty() {
            return Err(StoreError::Missing);
        }
        // One by one, since each may take long; begun again, it goes on.
        for table in TABLES.iter().rev() {
            let client = self.client().await?;
            client.execute_typed(&format!("DELETE FROM {}", table.name), &[]).await.map_err(of_statement)?;
        }
        self.open_for_use(Revision(0)).await
    }

    async fn finish_copy(&self, revision: Revision) -> Result<(), StoreError> {
        self.open_for_use(revision).await
    }
}

impl PostgresStore {
    async fn progress(&self) -> Result<CopyProgress, StoreError> {
        let mut progress = CopyProgress::default();
        for found in &self.query("SELECT table_name, came_to FROM copy_progress", &[]).await? {
            match (row::get(found, 0)?, row::get(found, 1)?) {
                ("", source) => progress.source = source,
                (table, came_to) => progress.tables.push((table.to_owned(), came_to)),
            }
        }
        Ok(progress)
    }

    async fn open_for_use(&self, revision: Revision) -> Result<(), StoreError> {
        let revision = row::big(revision.0);
        let once = || async {
            let mut client = self.client().await?;
            let transaction = transaction::begin(&mut client).await?;
            transaction.execute_typed("DELETE FROM copy_progress", &[]).await.map_err(of_statement)?;
            let insert = "INSERT INTO revision (id, value) VALUES (1, $1)";
            transaction.execute_typed(insert, &[number(&revision)]).await.map_err(of_statement)?;
            transaction.commit().await.map_err(of_statement)
        };
        transaction::again(|| in_time(once())).await
    }
}

async fn note(transaction: &Transaction<'_>, table: &str, came_to: &str) -> Result<(), StoreError> {
    let note = "INSERT INTO copy_progress (table_name, came_to) VALUES ($1, $2)
                ON CONFLICT (table_name) DO UPDATE SET came_to = excluded.came_to";
    transaction.execute_typed(note, &[text(&table), text(&came_to)]).await.map(drop).map_err(of_statement)
}

/// `$1, $2, …`
fn places(count: usize) -> String {
    (1..=count).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ")
}

/// A column of the rows, as one parameter.
fn array(rows: &[Row], place: usize, kind: Kind) -> (Box<dyn ToSql + Send + Sync>, Type) {
    fn column<'a, T>(rows: &'a [Row], place: usize, value: impl Fn(&'a Cell) -> Option<T>) -> Vec<Option<T>> {
        rows.iter().map(|row| row.get(place).and_then(&value)).collect()
    }
    match kind {
        Kind::Bytes => {
            let value = |cell: &Cell| if let Cell::Bytes(bytes) = cell { Some(bytes.clone()) } else { None };
            (Box::new(column(rows, place, value)), Type::BYTEA_ARRAY)
        }
        Kind::Flag => {
            let value = |cell: &Cell| if let Cell::Flag(flag) = cell { Some(*flag) } else { None };
            (Box::new(column(rows, place, value)), Type::BOOL_ARRAY)
        }
        Kind::Number => {
            let value = |cell: &Cell| if let Cell::Number(number) = cell { Some(*number) } else { None };
            (Box::new(column(rows, place, value)), Type::INT8_ARRAY)
        }
        Kind::Text => {
            let value = |cell: &Cell| if let Cell::Text(text) = cell { Some(text.clone()) } else { None };
            (Box::new(column(rows, place, value)), Type::TEXT_ARRAY)
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
