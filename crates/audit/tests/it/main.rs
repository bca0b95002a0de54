//! Tests of the log, its chain and its checkpoints, in one program: a program for each file would link everything once more.

mod chain;
mod filed;
mod independent;
mod vectors;
