//! Copying a store: every table as rows.

use std::iter::zip;

use async_trait::async_trait;
use doorward_key::KeyPrefix;
use doorward_store::copy::{CopiedTable, CopyProgress, Row, Rows};
use doorward_store::{Conflict, Revision, StoreError};
use doorward_store_sql::change::require_used;
use doorward_store_sql::{copy, sql, table};
use doorward_types::Incarnation;

use crate::schema::SINCE;
use crate::statement::touched;
use crate::transaction::{Answers, Decision};
use crate::{PostgresStore, row};

#[async_trait]
impl Rows for PostgresStore {
    fn tables(&self) -> &'static [CopiedTable] {
        copy::TABLES
    }

    async fn count(&self, table: &'static CopiedTable) -> Result<u64, StoreError> {
        row::value(&self.query(copy::count(table)).await?)?.ok_or(StoreError::NotFound)
    }

    async fn rows(&self, table: &'static CopiedTable, after: Option<Row>, limit: u32) -> Result<Vec<Row>, StoreError> {
        let found = self.query(copy::page(table, after, limit)).await?;
        row::all_by(&found, |row| table.columns.iter().map(|(_, kind)| row.cell(*kind)).collect())
    }

    async fn begin_copy(&self, source: &str) -> Result<CopyProgress, StoreError> {
        let known = self.progress().await?;
        if !known.source.is_empty() {
            return Ok(known);
        }
        let fresh = "DELETE FROM revision WHERE id = 1 AND value = 0 RETURNING value";
        let reads: Vec<_> = [sql(fresh)].into_iter().chain(copy::TABLES.iter().map(copy::any)).collect();
        let decide = |mut answers: Answers| {
            if answers.next().unwrap_or_default().is_empty() || answers.any(|found| !found.is_empty()) {
                return Err(Conflict::NotEmpty.into());
            }
            Ok(Decision::write(vec![copy::note("", source)], ()))
        };
        self.pool.write(&reads, decide).await?;
        Ok(CopyProgress { source: source.to_owned(), tables: vec![] })
    }

    async fn add_rows(&self, table: &'static CopiedTable, rows: Vec<Row>, until: String) -> Result<(), StoreError> {
        let (names, places) = (table.column_list(), table::column_places(table));
        let mut columns = vec![Vec::with_capacity(rows.len()); table.columns.len()];
        for row in rows {
            zip(&mut columns, row).for_each(|(column, cell)| column.push(cell));
        }
        let insert = sql(format!("INSERT INTO {} ({names}) SELECT * FROM unnest({places})", table.name));
        let insert = zip(columns, table.columns).fold(insert, |insert, (cells, (_, kind))| insert.list(*kind, cells));
        // Write the note first: its row lock waits for an interrupted transaction that still writes the same page.
        let writes = || vec![copy::note(table.name, &until), insert.clone()];
        self.pool.write(&[], |_| Ok(Decision::write(writes(), ()))).await
    }

    /// Analyzes a filled table. Without statistics, the server may check foreign keys with an index that matches only
    /// the first columns.
    async fn table_filled(&self, table: &'static CopiedTable) -> Result<(), StoreError> {
        self.execute(sql(format!("ANALYZE {}", table.name))).await.map(drop)
    }

    async fn abandon_copy(&self) -> Result<(), StoreError> {
        if self.progress().await?.source.is_empty() {
            return Err(StoreError::NotFound);
        }
        // Clear one table at a time, without a time limit. A second call continues.
        for table in copy::TABLES.iter().rev() {
            let borrowed = self.pool.borrow().await?;
            let deleted = touched(&borrowed.connection(), &copy::clear(table)).await;
            borrowed.answered(deleted)?;
        }
        self.execute(copy::forget_sealing_key()).await?;
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
            let [states, quarantine] = require_used(SINCE);
            vec![
                copy::forget_notes(),
                states,
                quarantine,
                sql("UPDATE store SET prefix = $1, incarnation = $2 WHERE id = 1")
                    .bind(&prefix.cloned())
                    .bind(&incarnation),
                sql(insert.clone()).bind(&revision),
            ]
        };
        self.pool.write(&[], |_| Ok(Decision::write(writes(), ()))).await
    }
}

impl PostgresStore {
    async fn progress(&self) -> Result<CopyProgress, StoreError> {
        self.list(copy::notes()).await.map(copy::progress)
    }
}
