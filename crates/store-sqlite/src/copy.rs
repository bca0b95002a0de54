//! Moving: everything as rows.

use async_trait::async_trait;
use doorward_key::KeyPrefix;
use doorward_store::copy::{Cell, CopiedTable, CopyProgress, Kind, Row, Rows, TABLES};
use doorward_store::{Conflict, Revision, StoreError};
use doorward_types::Incarnation;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ToSql, params, params_from_iter};

use crate::error::{of_read, of_write, unavailable};
use crate::{SqliteStore, row};

#[async_trait]
impl Rows for SqliteStore {
    async fn count(&self, table: &'static CopiedTable) -> Result<u64, StoreError> {
        let sql = table.count_statement();
        self.scan(move |connection| connection.query_row(&sql, [], |row| row.get(0)).map_err(unavailable)).await
    }

    async fn rows(&self, table: &'static CopiedTable, after: Option<Row>, limit: u32) -> Result<Vec<Row>, StoreError> {
        let sql = table.page_statement(after.as_ref().map(|key| places(key.len())).as_deref(), limit);
        self.scan(move |connection| {
            let mut list = connection.prepare_cached(&sql).map_err(unavailable)?;
            let after = after.unwrap_or_default();
            let mut rows = list.query(params_from_iter(after.iter().map(Borrowed))).map_err(unavailable)?;
            let mut page = Vec::new();
            while let Some(row) = rows.next().map_err(unavailable)? {
                let cell = |(place, (_, kind)): (usize, &(&str, Kind))| cell(row, place, *kind);
                page.push(table.columns.iter().enumerate().map(cell).collect::<Result<_, _>>()?);
            }
            Ok(page)
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
            for table in TABLES {
                let any = format!("SELECT 1 FROM {} LIMIT 1", table.name);
                if connection.prepare(&any).and_then(|mut any| any.exists([])).map_err(unavailable)? {
                    return Err(Conflict::NotEmpty.into());
                }
            }
            let fresh = "DELETE FROM revision WHERE id = 1 AND value = 0";
            if connection.execute(fresh, []).map_err(unavailable)? != 1 {
                return Err(Conflict::NotEmpty.into());
            }
            note(connection, "", &source)?;
            Ok(CopyProgress { source, tables: vec![] })
        })
        .await
    }

    async fn add_rows(&self, table: &'static CopiedTable, rows: Vec<Row>, until: String) -> Result<(), StoreError> {
        let (columns, places) = (table.column_list(), places(table.columns.len()));
        let sql = format!("INSERT INTO {} ({columns}) VALUES ({places})", table.name);
        self.write(move |connection| {
            let mut insert = connection.prepare_cached(&sql).map_err(unavailable)?;
            for row in &rows {
                insert.execute(params_from_iter(row.iter().map(Borrowed))).map_err(of_write)?;
            }
            note(connection, table.name, &until)
        })
        .await
    }

    async fn abandon_copy(&self) -> Result<(), StoreError> {
        self.write(|connection| {
            if progress(connection)?.source.is_empty() {
                return Err(StoreError::Missing);
            }
            for table in TABLES.iter().rev() {
                connection.execute(&format!("DELETE FROM {}", table.name), []).map_err(unavailable)?;
            }
            row::write(connection, "UPDATE store SET sealing_key = NULL WHERE id = 1", [])?;
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
        let prefix = prefix.map(ToString::to_string);
        self.write(move |connection| {
            let update = "UPDATE store SET prefix = coalesce(?1, prefix), incarnation = ?2 WHERE id = 1";
            row::write(connection, update, params![prefix, incarnation.0])?;
            open(connection, revision)
        })
        .await
    }
}

/// A value that SQLite reads in its place.
struct Borrowed<'a>(&'a Cell);

impl ToSql for Borrowed<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Cell::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Cell::Flag(flag) => ToSqlOutput::Owned(Value::Integer(i64::from(*flag))),
            Cell::Null => ToSqlOutput::Owned(Value::Null),
            Cell::Number(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            Cell::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

fn cell(row: &rusqlite::Row<'_>, place: usize, kind: Kind) -> Result<Cell, StoreError> {
    let read = |row: &rusqlite::Row<'_>| {
        let value = row.get_ref(place)?;
        Ok(match (value, kind) {
            (ValueRef::Null, _) => Cell::Null,
            (_, Kind::Bytes) => Cell::Bytes(value.as_blob()?.to_vec()),
            (_, Kind::Flag) => Cell::Flag(value.as_i64()? != 0),
            (_, Kind::Number) => Cell::Number(value.as_i64()?),
            (_, Kind::Text) => Cell::Text(value.as_str()?.to_owned()),
        })
    };
    read(row).map_err(of_read)
}

/// `?1, ?2, …`
fn places(count: usize) -> String {
    (1..=count).map(|place| format!("?{place}")).collect::<Vec<_>>().join(", ")
}

fn progress(connection: &Connection) -> Result<CopyProgress, StoreError> {
    let mut found = connection.prepare_cached("SELECT table_name, came_to FROM copy_progress").map_err(unavailable)?;
    let mut progress = CopyProgress::default();
    let rows = found.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
    for row in rows.map_err(unavailable)? {
        match row.map_err(unavailable)? {
            (table, source) if table.is_empty() => progress.source = source,
            reached => progress.tables.push(reached),
        }
    }
    Ok(progress)
}

fn note(connection: &Connection, table: &str, came_to: &str) -> Result<(), StoreError> {
    let note = "INSERT INTO copy_progress (table_name, came_to) VALUES (?1, ?2)
                ON CONFLICT (table_name) DO UPDATE SET came_to = excluded.came_to";
    row::write(connection, note, [table, came_to])
}

/// Makes the store one that can be used.
fn open(connection: &Connection, revision: Revision) -> Result<(), StoreError> {
    row::write_some(connection, "DELETE FROM copy_progress", [])?;
    row::write(connection, "INSERT INTO revision (id, value) VALUES (1, ?1)", [revision.0])
}
