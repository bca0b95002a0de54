//! Tests of linking accounts, in one program: a program for each file would link everything once more.

mod link;
mod revocation;
mod support;
