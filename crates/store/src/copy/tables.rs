//! Rows of a table that moves to another engine.

/// One value of a row.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Cell {
    /// Bytes.
    Bytes(Vec<u8>),
    /// Yes or no.
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

/// A table that moves.
#[derive(Debug, Eq, PartialEq)]
pub struct CopiedTable {
    /// Its name.
    pub name: &'static str,
    /// Its columns, those of the primary key first.
    pub columns: &'static [(&'static str, Kind)],
    /// The number of columns of the primary key.
    pub key: usize,
    /// The rows that move, as a condition of SQL; all, if there is none.
    pub only: Option<&'static str>,
}

impl CopiedTable {
    /// Returns the columns' names, as a statement lists them.
    #[must_use]
    pub fn column_list(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }
}
