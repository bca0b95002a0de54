//! Tests of the engine on SQLite, in one program: linking takes longer than compiling.

mod backup;
mod conformance;
mod life;
mod opening;
