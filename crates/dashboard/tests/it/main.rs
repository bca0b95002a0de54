//! Tests of the page, in one program: a program for each file would link everything once more.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod mounted;
mod reads;
mod size;
mod visitors;
