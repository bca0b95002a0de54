//! Tests of origins and URLs, in one program: linking takes longer than compiling.

mod entries;
mod urls;
