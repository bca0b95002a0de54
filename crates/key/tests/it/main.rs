//! Tests of the text of a key, in one program: linking takes longer than compiling.

mod grammar;
mod oracle;
mod vectors;
