//! Rows of tables that are copied to another engine.

/// One value of a row.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Cell {
    /// Bytes.
    Bytes(Vec<u8>),
    /// A boolean.
    Flag(bool),
    /// No value.
    Null,
    /// A whole number.
    Number(i64),
    /// Text.
    Text(String),
}

/// The values of a table's columns, in their order.
pub type Row = Vec<Cell>;

/// The kind of a column's values. Any column may hold NULL too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// [`Cell::Bytes`].
    Bytes,
    /// [`Cell::Flag`].
    Flag,
    /// [`Cell::Number`].
    Number,
    /// [`Cell::Text`].
    Text,
}

/// A copied table.
#[derive(Debug, Eq, PartialEq)]
pub struct CopiedTable {
    /// The name.
    pub name: &'static str,
    /// The columns. The columns of the primary key come first.
    pub columns: &'static [(&'static str, Kind)],
    /// The number of columns of the primary key.
    pub key: usize,
    /// The SQL condition that selects the copied rows, or `None` for all rows.
    pub only: Option<&'static str>,
}

impl CopiedTable {
    /// Returns the names of the columns, for a SQL statement.
    #[must_use]
    pub fn column_list(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }
}
