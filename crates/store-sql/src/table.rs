//! Tables: one description of each, from which its statements follow.

use std::iter::zip;

use doorward_records::{Record, Sealed};
use doorward_store::copy::{CopiedTable, Kind};
use doorward_store::{Page, Scope};

use crate::revoking::Revoking;
use crate::{Field, FromRow, Statement, sql};

/// A record with a table.
pub trait Stored: FromRow {
    /// The table: its columns, those of the primary key first.
    const TABLE: CopiedTable;

    /// The columns that hold the record. Those before them say where it is, and are not part of it.
    const OWN: &'static [&'static str];

    /// Adds the record's columns to a statement.
    fn bind(&self, statement: Statement) -> Statement;
}

/// Returns the kind of a record's field.
pub(crate) const fn kind_of<R, F: Field>(_: fn(&R) -> &F) -> Kind {
    F::KIND
}

/// Describes the table of a record: the columns before the record's own (`of`), the fields of the record, and the columns
/// beside them (`with`). A field whose column has another name gives it (`field = "column"`).
macro_rules! table {
    (
        $record:ident in $table:literal key $key:literal
        $(of { $($place:ident: $place_kind:ident),+ })?
        { $($field:ident $(= $column:literal)?),+ $(,)? }
        $(with { $($beside:ident: $beside_kind:ident),+ })?
    ) => {
        impl $crate::table::Stored for $record {
            const TABLE: doorward_store::copy::CopiedTable = doorward_store::copy::CopiedTable {
                name: $table,
                columns: &[
                    $($((stringify!($place), doorward_store::copy::Kind::$place_kind),)+)?
                    $((
                        $crate::table::column!($field $($column)?),
                        $crate::table::kind_of(|record: &$record| &record.$field),
                    ),)+
                    $($((stringify!($beside), doorward_store::copy::Kind::$beside_kind),)+)?
                ],
                key: $key,
                only: None,
            };
            const OWN: &'static [&'static str] = &[$($crate::table::column!($field $($column)?)),+];

            fn bind(&self, statement: $crate::Statement) -> $crate::Statement {
                statement$(.bind(&self.$field))+
            }
        }

        impl $crate::FromRow for $record {
            fn read(row: &mut $crate::Reader<'_>) -> Result<Self, doorward_store::StoreError> {
                Ok(Self { $($field: row.take()?),+ })
            }
        }
    };
}

macro_rules! column {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $column:literal) => {
        $column
    };
}

pub(crate) use {column, table};

/// Returns the columns of a record, of a table with this alias if there is one.
#[must_use]
pub fn columns<R: Stored>(alias: &str) -> String {
    let dot = if alias.is_empty() { "" } else { "." };
    let names: Vec<_> = R::OWN.iter().map(|name| format!("{alias}{dot}{name}")).collect();
    names.join(", ")
}

/// Returns the text that inserts a row, with a parameter for each column.
#[must_use]
pub fn insert_text(table: &CopiedTable) -> String {
    format!("INSERT INTO {} ({}) VALUES ({})", table.name, table.column_list(), column_places(table))
}

/// Returns a place of a parameter for each column of a table.
#[must_use]
pub fn column_places(table: &CopiedTable) -> String {
    places(1, table.columns.len())
}

/// Returns the statement that reads the records of a table, without a condition.
pub(crate) fn select_text<R: Stored>() -> String {
    format!("SELECT {} FROM {}", columns::<R>(""), R::TABLE.name)
}

pub(crate) fn names(columns: &[(&'static str, Kind)]) -> Vec<&'static str> {
    columns.iter().map(|(name, _)| *name).collect()
}

/// Returns so many places of parameters, from this number on: `$1, $2, …`.
pub(crate) fn places(from: usize, count: usize) -> String {
    let places: Vec<_> = (from..from + count).map(|place| format!("${place}")).collect();
    places.join(", ")
}

/// A record of one environment, in a table whose primary key begins with the scope.
pub trait Scoped: Record + Stored {
    /// The columns that are overwritten if the record is put in the place of another.
    const PUT: &'static [&'static str];

    /// Returns the statements about the table, which are put together once.
    fn texts() -> &'static Texts;

    /// Adds the columns of a key to a statement.
    fn bind_key(key: &Self::Key, statement: Statement) -> Statement;

    /// Adds the columns of no key to a statement.
    fn bind_no_key(statement: Statement) -> Statement;

    /// Returns the part of the record that is sealed, if there is one.
    fn sealed(&self) -> Option<&Sealed> {
        None
    }

    /// Returns the statements that revoke what a record holds, before another takes its place.
    fn replaced(_revoking: &Revoking, _scope: &Scope, _key: &Self::Key) -> Vec<Statement> {
        vec![]
    }

    /// Returns the statements that revoke what a record and all that belongs to it hold, before they go.
    fn removed(revoking: &Revoking, scope: &Scope, key: &Self::Key) -> Vec<Statement> {
        Self::replaced(revoking, scope, key)
    }
}

/// The statements about a table of an environment's records.
#[derive(Debug)]
pub struct Texts {
    delete: String,
    find: String,
    insert: String,
    page: String,
    put: String,
}

impl Texts {
    pub(crate) fn of<R: Scoped>() -> Self {
        let CopiedTable { name, columns, key, .. } = R::TABLE;
        let key: Vec<_> = names(columns).into_iter().take(key).collect();
        let is: Vec<_> = zip(&key, 1..).map(|(column, place)| format!("{column} = ${place}")).collect();
        let (is, own) = (is.join(" AND "), key.get(2..).unwrap_or_default());
        let put: Vec<_> = R::PUT.iter().map(|column| format!("{column} = excluded.{column}")).collect();
        let insert = insert_text(&R::TABLE);
        Self {
            delete: format!("DELETE FROM {name} WHERE {is}"),
            find: format!("{} WHERE {is}", select_text::<R>()),
            page: format!(
                "{} WHERE organization = $1 AND environment = $2 AND ($3 IS NULL OR ({}) < ({}))
                 ORDER BY {} DESC LIMIT ${}",
                select_text::<R>(),
                own.join(", "),
                places(3, own.len()),
                own.join(" DESC, "),
                key.len() + 1
            ),
            put: format!("{insert} ON CONFLICT ({}) DO UPDATE SET {}", key.join(", "), put.join(", ")),
            insert,
        }
    }
}

/// Adds a record.
pub fn insert<R: Scoped>(scope: &Scope, record: &R) -> Statement {
    record.bind(sql(&*R::texts().insert).scope(scope))
}

/// Adds a record, or puts it in the place of the one with its key.
pub fn put<R: Scoped>(scope: &Scope, record: &R) -> Statement {
    record.bind(sql(&*R::texts().put).scope(scope))
}

/// Reads the record with this key.
pub fn find<R: Scoped>(scope: &Scope, key: &R::Key) -> Statement {
    R::bind_key(key, sql(&*R::texts().find).scope(scope))
}

/// Reads a page of records, newest key first.
pub fn page<R: Scoped>(scope: &Scope, page: &Page<R::Key>) -> Statement {
    let list = sql(&*R::texts().page).scope(scope);
    let list = match &page.after {
        Some(key) => R::bind_key(key, list),
        None => R::bind_no_key(list),
    };
    list.bind(&page.limit)
}

/// Removes the record with this key.
pub fn delete<R: Scoped>(scope: &Scope, key: &R::Key) -> Statement {
    R::bind_key(key, sql(&*R::texts().delete).scope(scope))
}
