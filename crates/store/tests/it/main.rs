//! Tests of the in-memory engine and the history, in one program: linking takes longer than compiling.

mod history;
mod memory;
