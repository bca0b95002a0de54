//! A store as rows of tables: the part of an engine that lets a store move to another engine.

mod rows;
mod tables;

pub use self::rows::{CopyProgress, Rows};
pub use self::tables::{Cell, CopiedTable, Kind, Row};
