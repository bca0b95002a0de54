//! Tests of sinks, in one program: a program for each file would link everything once more.

mod full_disk;
mod ocsf;
mod shipping;
mod telling;
