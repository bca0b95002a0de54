//! Copying a store: every table as rows.

use async_trait::async_trait;
use doorward_key::KeyPrefix;
use doorward_store::copy::{CopiedTable, CopyProgress, Row, Rows};
use doorward_store::{Conflict, Revision, StoreError};
use doorward_store_sql::change::require_used;
use doorward_store_sql::{copy, sql, table};
use doorward_types::Incarnation;
use rusqlite::{Connection, params_from_iter};

use crate::SqliteStore;
use crate::error::{of_write, unavailable};
use crate::migrations::SINCE;
use crate::row::{self, Borrowed};

#[async_trait]
impl Rows for SqliteStore {
    fn tables(&self) -> &'static [CopiedTable] {
        copy::TABLES
    }

    async fn count(&self, table: &'static CopiedTable) -> Result<u64, StoreError> {
        self.scan(|connection| Ok(row::value(connection, &copy::count(table))?.unwrap_or_default())).await
    }

    async fn rows(&self, table: &'static CopiedTable, after: Option<Row>, limit: u32) -> Result<Vec<Row>, StoreError> {
        let page = copy::page(table, after, limit);
        self.scan(move |connection| {
            row::list_by(connection, &page, |row| table.columns.iter().map(|(_, kind)| row.cell(*kind)).collect())
        })
        .await
    }

    async fn begin_copy(&self, source: &str) -> Result<CopyProgress, StoreError> {
        let source = source.to_owned();
        self.write(move |connection| {
            let known = progress(connection)?;
            if !known.source.is_empty() {
                return Ok(known);
            }
            for table in copy::TABLES {
                if row::exists(connection, &copy::any(table))? {
                    return Err(Conflict::NotEmpty.into());
                }
            }
            if row::write_some(connection, &sql("DELETE FROM revision WHERE id = 1 AND value = 0"))? != 1 {
                return Err(Conflict::NotEmpty.into());
            }
            row::write(connection, &copy::note("", &source))?;
            Ok(CopyProgress { source, tables: vec![] })
        })
        .await
    }

    async fn add_rows(&self, table: &'static CopiedTable, rows: Vec<Row>, until: String) -> Result<(), StoreError> {
        let sql = table::insert_text(table);
        self.write(move |connection| {
            let mut insert = connection.prepare_cached(&sql).map_err(unavailable)?;
            for row in &rows {
                insert.execute(params_from_iter(row.iter().map(Borrowed))).map_err(of_write)?;
            }
            row::write(connection, &copy::note(table.name, &until))
        })
        .await
    }

    async fn abandon_copy(&self) -> Result<(), StoreError> {
        self.write(|connection| {
            if progress(connection)?.source.is_empty() {
                return Err(StoreError::NotFound);
            }
            for table in copy::TABLES.iter().rev() {
                row::write_some(connection, &copy::clear(table))?;
            }
            row::write(connection, &copy::forget_sealing_key())?;
            open(connection, Revision(0))
        })
        .await
    }

    async fn finish_copy(
        &self,
        revision: Revision,
        prefix: Option<&KeyPrefix>,
        incarnation: Incarnation,
    ) -> Result<(), StoreError> {
        let update = sql("UPDATE store SET prefix = coalesce($1, prefix), incarnation = $2 WHERE id = 1");
        let update = update.bind(&prefix.cloned()).bind(&incarnation);
        self.write(move |connection| {
            row::write(connection, &update)?;
            for required in require_used(SINCE) {
                row::write_some(connection, &required)?;
            }
            open(connection, revision)
        })
        .await
    }
}

fn progress(connection: &Connection) -> Result<CopyProgress, StoreError> {
    row::list(connection, &copy::notes()).map(copy::progress)
}

/// Makes the filled store usable.
fn open(connection: &Connection, revision: Revision) -> Result<(), StoreError> {
    row::write_some(connection, &copy::forget_notes())?;
    row::write(connection, &sql("INSERT INTO revision (id, value) VALUES (1, $1)").bind(&revision))
}
