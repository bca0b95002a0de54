//! Tests of the in-memory engine and the history, in one program: a program for each file would link everything once more.

mod history;
mod memory;
