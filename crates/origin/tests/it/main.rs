//! Tests of origins and URLs, in one program: a program for each file would link everything once more.

mod entries;
mod urls;
