//! A store as rows of tables, for a copy to another engine.

mod rows;
mod tables;

pub use self::rows::{CopyProgress, Rows};
pub use self::tables::{Cell, CopiedTable, Kind, Row};
