//! Tests of the history and of sealed values, in one program: a program for each file would link everything once more.

mod history;
mod sealing;
