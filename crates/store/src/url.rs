use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Names a store: which engine, and where. What it is opened with, the binaries choose.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum StoreUrl {
    /// `sqlite:PATH`.
    Sqlite(PathBuf),
}

impl Default for StoreUrl {
    fn default() -> Self {
        Self::Sqlite("doorward.db".into())
    }
}

impl FromStr for StoreUrl {
    type Err = StoreUrlError;

    fn from_str(text: &str) -> Result<Self, StoreUrlError> {
        match text.split_once(':') {
            Some(("sqlite", "")) => Err(StoreUrlError::NoPath),
            Some(("sqlite", path)) => Ok(Self::Sqlite(path.into())),
            _ => Err(StoreUrlError::NoEngine),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
        }
    }
}

/// The text names no store.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreUrlError {
    /// It names no engine of ours.
    #[error("a store is named as `sqlite:PATH`, such as sqlite:doorward.db")]
    NoEngine,
    /// `sqlite:` and nothing.
    #[error("`sqlite:` needs the path of a file, such as sqlite:doorward.db")]
    NoPath,
}
