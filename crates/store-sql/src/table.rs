//! Tables. Each has one description, from which its statements follow.

use std::iter::zip;

use doorward_records::{Record, Sealed};
use doorward_store::copy::{CopiedTable, Kind};
use doorward_store::{Page, Scope};

use crate::revoking::Revoking;
use crate::{Field, FromRow, Statement, sql};

/// A record with a table.
pub trait Stored: FromRow {
    /// The table. The columns of its primary key come first.
    const TABLE: CopiedTable;

    /// The columns of the record itself. The columns before them give its place.
    const OWN: &'static [&'static str];

    /// Adds the record's columns to a statement.
    fn bind(&self, statement: Statement) -> Statement;
}

/// Returns the kind of a record's field.
pub(crate) const fn kind_of<R, F: Field>(_: fn(&R) -> &F) -> Kind {
    F::KIND
}

/// A part of a record with several columns.
pub(crate) trait Part: FromRow {
    /// Adds the part's columns to a statement.
    fn bind(&self, statement: Statement) -> Statement;
}

/// Describes the table of a record: the columns before the record's own (`of`), the fields of the record, its last
/// field if that has several columns (`and`), and other columns (`with`). `field = "column"` names a column that
/// differs from its field. The fields of a record that only its own crate can build stand in parentheses, in the order of
/// the arguments of its `new`, and its fields with a default behind them (`then`).
///
/// A table without a record type of its own is a constant with its columns.
macro_rules! table {
    ($(#[$doc:meta])* $table:ident = $name:literal key $key:literal { $($column:ident: $kind:ident),+ $(,)? }) => {
        $(#[$doc])*
        pub(crate) const $table: doorward_store::copy::CopiedTable = doorward_store::copy::CopiedTable {
            name: $name,
            columns: &[$((stringify!($column), doorward_store::copy::Kind::$kind)),+],
            key: $key,
            only: None,
        };
    };
    (
        $record:ident in $table:literal key $key:literal $(of $place:tt)?
        ( $($field:ident $(= $column:literal)?),+ $(,)? ) $(then { $($later:ident),+ })?
        $(and $part:ident $part_columns:tt)? $(with $beside:tt)?
    ) => {
        $crate::table::table! {
            @columns $record in $table key $key $(of $place)?
            { $($field $(= $column)?),+ $($(, $later)+)? }
            $(and $part $part_columns)? $(with $beside)?
        }

        $crate::table::rows! { $record($($field),+ $(; $part)?) $(then $($later),+)? }
    };
    (
        $record:ident in $table:literal key $key:literal $(of $place:tt)?
        { $($field:ident),+ $(,)? }
        $(with $beside:tt)?
    ) => {
        $crate::table::table! {
            @columns $record in $table key $key $(of $place)? { $($field),+ } $(with $beside)?
        }

        $crate::table::rows! { $record { $($field),+ } }
    };
    (
        @columns $record:ident in $table:literal key $key:literal
        $(of { $($place:ident: $place_kind:ident),+ })?
        { $($field:ident $(= $column:literal)?),+ $(,)? }
        $(and $part:ident { $($part_column:ident: $part_kind:ident),+ })?
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
                    $($((stringify!($part_column), doorward_store::copy::Kind::$part_kind),)+)?
                    $($((stringify!($beside), doorward_store::copy::Kind::$beside_kind),)+)?
                ],
                key: $key,
                only: None,
            };
            const OWN: &'static [&'static str] =
                &[$($crate::table::column!($field $($column)?),)+ $($(stringify!($part_column),)+)?];

            fn bind(&self, statement: $crate::Statement) -> $crate::Statement {
                let statement = statement$(.bind(&self.$field))+;
                $(let statement = $crate::table::Part::bind(&self.$part, statement);)?
                statement
            }
        }
    };
}

/// Reads a record from the next columns. Its fields have this order.
macro_rules! rows {
    ($record:ident { $($field:ident),+ }) => {
        impl $crate::FromRow for $record {
            fn read(row: &mut $crate::Reader<'_>) -> Result<Self, doorward_store::StoreError> {
                Ok(Self { $($field: row.take()?),+ })
            }
        }
    };
    ($record:ident($($field:ident),+ $(; $part:ident)?) $(then $($later:ident),+)?) => {
        impl $crate::FromRow for $record {
            fn read(row: &mut $crate::Reader<'_>) -> Result<Self, doorward_store::StoreError> {
                $(let $field = row.take()?;)+
                $(let $part = $crate::FromRow::read(row)?;)?
                let record = Self::new($($field),+ $(, $part)?);
                $(let record = doorward_types::altered!(record, $($later: row.take()?),+);)?
                Ok(record)
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

pub(crate) use {column, rows, table};

/// Returns the columns of a record, with the table's alias unless it is empty.
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

/// Returns a parameter's placeholder for each column of a table.
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

/// Returns `count` placeholders from the number `from` on: `$1, $2, …`.
pub(crate) fn places(from: usize, count: usize) -> String {
    let places: Vec<_> = (from..from + count).map(|place| format!("${place}")).collect();
    places.join(", ")
}

/// A record of one environment, in a table whose primary key begins with the scope.
pub trait Scoped: Record + Stored {
    /// The columns that a put overwrites.
    const PUT: &'static [&'static str];

    /// Returns the statements of the table, which are built once.
    fn texts() -> &'static Texts;

    /// Adds a key's columns to a statement.
    fn bind_key(key: &Self::Key, statement: Statement) -> Statement;

    /// Adds NULLs to a statement in place of a key's columns.
    fn bind_no_key(statement: Statement) -> Statement;

    /// Returns the sealed part of the record, if it has one.
    fn sealed(&self) -> Option<&Sealed> {
        None
    }

    /// Returns the statements that revoke a record's secrets before the record is replaced.
    fn replaced(_revoking: &Revoking, _scope: &Scope, _key: &Self::Key) -> Vec<Statement> {
        vec![]
    }

    /// Returns the statements that revoke the secrets of a record and of its dependent records before they are deleted.
    fn removed(revoking: &Revoking, scope: &Scope, key: &Self::Key) -> Vec<Statement> {
        Self::replaced(revoking, scope, key)
    }
}

/// The statements of a table with an environment's records.
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

/// Adds a record, or replaces the record with its key.
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
