//! Tests of the core, in one program: a program for each file would link everything once more.

mod imports;
mod keys_alone;
mod leaks;
mod life_of_a_key;
mod loom;
mod model;
mod organizations;
mod origins;
#[path = "../../../store-postgres/tests/it/support/mod.rs"]
mod postgres;
mod premises;
mod promise;
mod repeats;
mod simulation;
mod support;
mod visitors;
