use std::error::Error;
use std::fmt;

/// Files of a certificate or a key that cannot be used. The alternate form (`{:#}`) shows the causes too.
#[derive(Debug)]
pub struct TlsError {
    message: String,
    source: Box<dyn Error + Send + Sync>,
}

impl TlsError {
    pub(crate) fn new(message: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { message: message.into(), source: source.into() }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut cause = self.source().filter(|_| f.alternate());
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
