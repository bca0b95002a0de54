//! Tests of the command line, in one program: a program for each file would link everything once more.

mod audit;
mod broken_premises;
mod canary;
mod confirmation;
mod copy;
mod delivering;
mod failover_postgres;
mod finding;
mod fire;
mod import;
mod lists;
mod migrating;
mod newcomer;
mod organizations;
mod origin;
mod patroni;
mod programs;
mod restore;
mod rotating;
mod scan;
mod sealing_key;
mod store_url;
#[path = "../../../server/tests/it/support/mod.rs"]
mod support;
mod tls_postgres;
mod under_fire;
mod under_fire_postgres;
mod values;
mod variables;
mod witness;
