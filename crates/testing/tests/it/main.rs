//! Tests of the testing kit, in one program: a program for each file would link everything once more.

mod test_keys;
