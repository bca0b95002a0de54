//! Tests of linking accounts, in one program: linking takes longer than compiling.

mod link;
mod revocation;
mod support;
