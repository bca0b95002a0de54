//! Tests of the history, in one program: a program for each file would link everything once more.

mod history;
