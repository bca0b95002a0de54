//! Tests of the engine on PostgreSQL, in one program: linking takes longer than compiling.

mod commit;
mod conformance;
mod control;
mod failover;
mod faults;
mod flights;
mod opening;
mod portable;
mod support;
