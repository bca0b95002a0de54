//! Tests of the facade, in one program: a program for each file would link everything once more.

mod access_keys;
