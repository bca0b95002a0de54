//! Tests of the engine on PostgreSQL, in one program: a program for each file would link everything once more.

mod commit;
mod conformance;
mod control;
mod failover;
mod faults;
mod flights;
mod opening;
mod pool;
mod portable;
mod schemas;
mod support;
