use std::error::Error;

/// Files of a certificate or a key that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct TlsError {
    message: String,
    source: Box<dyn Error + Send + Sync>,
}

impl TlsError {
    pub(crate) fn new(message: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { message: message.into(), source: source.into() }
    }
}
