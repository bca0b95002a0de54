//! Tests of the server, in one program: a program for each file would link everything once more.

mod access_matrix;
mod audit;
mod bad_input;
mod contract;
mod dashboard;
mod dashboard_browser;
mod full_disk;
mod gateways;
mod identity;
mod isolation;
mod limits;
mod link;
mod linking;
mod mcp;
mod openapi;
mod protocol;
mod rolling;
mod running;
mod sinks;
mod support;
mod tls;
mod traces;
mod unusual_use;
