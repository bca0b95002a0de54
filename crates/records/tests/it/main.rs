//! Tests of sealed values, in one program.

mod sealing;
