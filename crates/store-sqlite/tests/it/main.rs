//! Tests of the engine on SQLite, in one program: a program for each file would link everything once more.

mod backup;
mod conformance;
mod life;
mod opening;
