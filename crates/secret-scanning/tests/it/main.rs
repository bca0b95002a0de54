//! Tests of reports and of the fetched keys, in one program: a program for each file would link everything once more.

mod fetching;
mod refused_answers;
mod signatures;
mod support;
