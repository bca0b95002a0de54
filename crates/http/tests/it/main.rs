//! Tests of the tower layer, in one program: a program for each file would link everything once more.

#[cfg(feature = "axum")]
mod axum;
mod credential;
mod layer;
mod oracle;
