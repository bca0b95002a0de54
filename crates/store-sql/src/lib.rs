//! Tables, statements and readers of rows that the SQL engines share.
//!
//! A [`table`] describes a record once: its columns, their kinds, and the conversions between record and row. The lists
//! of columns, the statements and the tables of a copy ([`copy::TABLES`]) follow from the description. To add a column,
//! add it to the record, to each engine's migrations, and to the description here.
//!
//! Parameters are numbered `$1`, `$2`, … in the order of their first appearance: SQLite binds them in that order, and
//! PostgreSQL by number. An engine runs a [`Statement`] on its connection and exposes a row as [`Columns`]. Locks and
//! transactions belong to the engine.

pub mod audit;
pub mod change;
pub mod coherence;
pub mod copy;
pub mod data;
pub mod erasing;
mod implementing;
pub mod keys;
pub mod links;
pub mod operators;
pub mod revoking;
pub mod sealing;
mod statement;
pub mod table;
#[cfg(test)]
mod tests;
mod value;

pub use statement::{Statement, Value, sql};
pub use value::{Columns, Field, FromRow, Reader};
