//! Tests of sinks, in one program: linking takes longer than compiling.

mod full_disk;
mod ocsf;
mod shipping;
