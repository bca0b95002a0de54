//! Tests of the log, its chain and its checkpoints, in one program: linking takes longer than compiling.

mod chain;
mod filed;
mod independent;
mod vectors;
