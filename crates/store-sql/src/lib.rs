//! Tables, statements and readers of rows that the SQL engines share.
//!
//! A [`table`] describes a record once: its columns, their kinds, and how a record becomes a row and a row a record. Lists of
//! columns, statements and the tables of a copy ([`copy::TABLES`]) follow from it. To add a column, add it to the record, to
//! each engine's migrations, and to the description here.
//!
//! Parameters are written `$1`, `$2`, … in the order in which they first appear: SQLite binds them in that order, and
//! PostgreSQL by number. An engine runs a [`Statement`] on its connection, and shows a row as [`Columns`]. Locks and
//! transactions are the engine's.

pub mod audit;
pub mod change;
pub mod coherence;
pub mod copy;
pub mod data;
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
