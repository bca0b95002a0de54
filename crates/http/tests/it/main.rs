//! Tests of the tower layer, in one program: linking takes longer than compiling.

#[cfg(feature = "axum")]
mod axum;
mod credential;
mod layer;
mod oracle;
