use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Names a store: its engine, and its place.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub enum StoreUrl {
    /// `sqlite:PATH`.
    Sqlite(PathBuf),
    /// `postgres://…`, a connection string as libpq's.
    Postgres(String),
}

impl StoreUrl {
    /// Returns whether the URL holds a password, so that its readers get into the store.
    #[must_use]
    pub fn has_password(&self) -> bool {
        let Self::Postgres(url) = self else { return false };
        let (address, parameters) = url.split_once('?').unwrap_or((url, ""));
        let user = address.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).map(|(user, _)| user);
        user.is_some_and(|user| user.contains(':')) || parameters.split('&').any(|one| one.starts_with("password="))
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
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
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => Ok(Self::Postgres(text.to_owned())),
            _ => Err(StoreUrlError::NoEngine),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => f.write_str(&without_password(url)),
        }
    }
}

/// The URL without what must not come into a log: the password, wherever it may stand.
fn without_password(url: &str) -> String {
    let (address, _parameters) = url.split_once('?').unwrap_or((url, ""));
    let Some((scheme, rest)) = address.split_once("://") else { return "postgres:".to_owned() };
    match rest.rsplit_once('@') {
        Some((user, host)) => {
            let name = user.split_once(':').map_or(user, |(name, _)| name);
            format!("{scheme}://{name}@{host}")
        }
        None => address.to_owned(),
    }
}

/// The text names no store.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreUrlError {
    /// It names no engine of ours.
    #[error("a store is named as sqlite:PATH, such as sqlite:doorward.db, or as postgres://USER@HOST/DATABASE")]
    NoEngine,
    /// `sqlite:` and nothing.
    #[error("`sqlite:` needs the path of a file, such as sqlite:doorward.db")]
    NoPath,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_named_by_its_engine() {
        let url = |text: &str| text.parse::<StoreUrl>();
        assert_eq!(url("sqlite:a.db"), Ok(StoreUrl::Sqlite("a.db".into())));
        assert_eq!(url("postgres://a/b"), Ok(StoreUrl::Postgres("postgres://a/b".into())));
        assert_eq!(url("postgresql:///b?host=/tmp"), Ok(StoreUrl::Postgres("postgresql:///b?host=/tmp".into())));
        assert_eq!(url("postgres:b"), Err(StoreUrlError::NoEngine));
        assert_eq!(url("mysql://a/b"), Err(StoreUrlError::NoEngine));
        assert_eq!(url("sqlite:"), Err(StoreUrlError::NoPath));
    }

    #[test]
    fn no_password_is_shown() {
        for (url, shown) in [
            ("postgres://ada:s3cret@db.internal/doorward", "postgres://ada@db.internal/doorward"),
            ("postgres://ada:s3c@ret@db.internal/doorward?sslmode=require", "postgres://ada@db.internal/doorward"),
            ("postgres://db.internal/doorward?user=ada&password=s3cret", "postgres://db.internal/doorward"),
            ("postgres:///doorward", "postgres:///doorward"),
        ] {
            let (raw, url) = (url, url.parse::<StoreUrl>().unwrap());
            assert_eq!(url.has_password(), raw.contains("s3c"));
            assert_eq!((url.to_string(), format!("{url:?}")), (shown.to_owned(), shown.to_owned()));
        }
    }
}
