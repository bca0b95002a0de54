//! Tests of the engine, in one program.

mod conformance;
