//! Tests of the text of a key, in one program: a program for each file would link everything once more.

mod grammar;
mod imported;
mod oracle;
mod vectors;
