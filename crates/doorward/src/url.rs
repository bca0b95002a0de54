use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::sqlite_url::{self, SqliteUrl, SqliteUrlFault};
use crate::store::StoreError;

/// The URL of a store: its engine and its location.
///
/// | URL | store |
/// |---|---|
/// | `sqlite:keys.db`, `sqlite://keys.db` | the file `keys.db` in the current folder, created if it is missing |
/// | `sqlite:/srv/keys.db`, `sqlite:///srv/keys.db` | the file `/srv/keys.db` |
/// | `sqlite:keys.db?mode=rw` | the same file, which must exist. `mode=rwc` is the default |
/// | `postgres://USER@HOST/DATABASE`, `postgresql://…`, `host=HOST dbname=DATABASE` | PostgreSQL, as libpq reads it |
/// | `memory:`, `sqlite::memory:` | a store that is gone with the process, for tests |
///
/// In a path, `%25` is `%` and `%3F` is `?`.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub enum StoreUrl {
    /// `memory:`.
    Memory,
    /// `sqlite:PATH`.
    Sqlite {
        /// The file.
        path: PathBuf,
        /// True if a missing file is an error, whatever the program does with a missing store.
        must_exist: bool,
    },
    /// `postgres://…`, a connection string as for libpq. [`StoreUrl::check`] reads its parameters.
    Postgres(String),
}

impl StoreUrl {
    /// Returns the URL of an SQLite file, which is created if it is missing.
    #[must_use]
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self::Sqlite { path: path.into(), must_exist: false }
    }

    /// Checks the parameters, without looking at the store.
    ///
    /// # Errors
    ///
    /// [`StoreError::Settings`] names the wrong or unknown parameter.
    pub fn check(&self) -> Result<(), StoreError> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => url.parse::<crate::postgres::PostgresOptions>().map(drop),
            _ => Ok(()),
        }
    }

    /// Returns whether the URL contains a password, which would let a reader into the store.
    #[must_use]
    pub fn has_password(&self) -> bool {
        let Self::Postgres(url) = self else { return false };
        let is_list = !url.contains("://");
        let (address, parameters) = url.split_once('?').unwrap_or((url, if is_list { url } else { "" }));
        let user = address.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).map(|(user, _)| user);
        user.is_some_and(|user| user.contains(':')) || parameters.contains("password")
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Default for StoreUrl {
    fn default() -> Self {
        Self::sqlite("doorward.db")
    }
}

impl FromStr for StoreUrl {
    type Err = StoreUrlError;

    fn from_str(text: &str) -> Result<Self, StoreUrlError> {
        match text.split_once(':') {
            Some(("sqlite", rest)) => Ok(sqlite_url::read(rest)?.into()),
            Some(("memory", "") | ("", "memory:")) => Ok(Self::Memory),
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => Ok(Self::Postgres(text.to_owned())),
            Some(("file", path)) => Err(StoreUrlError::Scheme(path.trim_start_matches("//").to_owned())),
            None if is_list(text) => Ok(Self::Postgres(text.to_owned())),
            None if !text.is_empty() => Err(StoreUrlError::Scheme(text.to_owned())),
            _ if is_list(text) => Ok(Self::Postgres(text.to_owned())),
            _ => Err(StoreUrlError::NoEngine),
        }
    }
}

impl From<SqliteUrl> for StoreUrl {
    fn from(url: SqliteUrl) -> Self {
        match url {
            SqliteUrl::File { path, must_exist } => Self::Sqlite { path, must_exist },
            SqliteUrl::Memory => Self::Memory,
        }
    }
}

/// Returns true if a text begins like a list of libpq's parameters: `host=…`.
fn is_list(text: &str) -> bool {
    let name = text.split_once('=').map_or("", |(name, _)| name.trim());
    !name.is_empty() && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Sqlite { path, must_exist } => {
                let mode = if *must_exist { "?mode=rw" } else { "" };
                write!(f, "sqlite:{}{mode}", sqlite_url::encoded(&path.to_string_lossy()))
            }
            Self::Postgres(url) => f.write_str(&without_password(url)),
        }
    }
}

/// Returns the URL without its password, for logs. The password can be in any part of the URL. The schema tells the
/// stores of a database apart, so it stays.
fn without_password(url: &str) -> String {
    let (address, parameters) = url.split_once('?').unwrap_or((url, ""));
    let Some((scheme, rest)) = address.split_once("://") else { return without_password_in_list(url) };
    let schema = parameters.split('&').find(|one| one.starts_with("schema="));
    let schema = schema.map(|schema| format!("?{schema}")).unwrap_or_default();
    match rest.rsplit_once('@') {
        Some((user, host)) => {
            let name = user.split_once(':').map_or(user, |(name, _)| name);
            format!("{scheme}://{name}@{host}{schema}")
        }
        None => format!("{address}{schema}"),
    }
}

/// Returns the harmless words of a list. A quote or a backslash may hide a password in what looks like a word.
fn without_password_in_list(list: &str) -> String {
    const SHOWN: [&str; 6] = ["dbname=", "host=", "hostaddr=", "port=", "schema=", "user="];
    if list.contains(['\'', '\\']) || list.contains(" =") || list.contains("= ") {
        return "postgres:".to_owned();
    }
    let words = list.split_whitespace().filter(|word| SHOWN.iter().any(|name| word.starts_with(name)));
    words.collect::<Vec<_>>().join(" ")
}

/// The text is not the URL of a store.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreUrlError {
    /// An unknown engine.
    #[error("a store is named as sqlite:PATH, such as sqlite:doorward.db, or as postgres://USER@HOST/DATABASE")]
    NoEngine,
    /// `sqlite:` without a path.
    #[error("`sqlite:` needs the path of a file, such as sqlite:doorward.db")]
    NoPath,
    /// A path without `sqlite:`.
    #[error("a store in a file is named as sqlite:PATH: write sqlite:{0}")]
    Scheme(String),
    /// A wrong parameter of an SQLite store.
    #[error("the store's URL has {0}")]
    Sqlite(String),
}

impl From<SqliteUrlFault> for StoreUrlError {
    fn from(fault: SqliteUrlFault) -> Self {
        match fault {
            SqliteUrlFault::NoPath => Self::NoPath,
            SqliteUrlFault::Other(fault) => Self::Sqlite(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<StoreUrl, StoreUrlError> {
        text.parse()
    }

    #[test]
    fn a_store_is_named_as_other_programs_name_it() {
        let file = |path: &str, must_exist| StoreUrl::Sqlite { path: path.into(), must_exist };
        for (text, expected) in [
            ("sqlite:a.db", file("a.db", false)),
            ("sqlite://a.db", file("a.db", false)),
            ("sqlite://./a.db", file("./a.db", false)),
            ("sqlite:///srv/a.db", file("/srv/a.db", false)),
            ("sqlite:/srv/a.db", file("/srv/a.db", false)),
            ("sqlite:a.db?mode=rwc", file("a.db", false)),
            ("sqlite:a.db?", file("a.db", false)),
            ("sqlite:///srv/a.db?mode=rw", file("/srv/a.db", true)),
            ("sqlite:100%25%20done%3F.db", file("100% done?.db", false)),
            ("sqlite:schl%C3%BCssel.db", file("schlüssel.db", false)),
            ("sqlite:C:\\keys\\a.db", file("C:\\keys\\a.db", false)),
            ("sqlite:a#b=c d.db", file("a#b=c d.db", false)),
            ("memory:", StoreUrl::Memory),
            (":memory:", StoreUrl::Memory),
            ("sqlite::memory:", StoreUrl::Memory),
            ("sqlite://:memory:", StoreUrl::Memory),
            ("sqlite:a.db?mode=memory", StoreUrl::Memory),
            ("sqlite:?mode=memory", StoreUrl::Memory),
            ("postgres://a/b", StoreUrl::Postgres("postgres://a/b".into())),
            ("postgresql:///b?host=/tmp", StoreUrl::Postgres("postgresql:///b?host=/tmp".into())),
            ("host=/tmp dbname=b", StoreUrl::Postgres("host=/tmp dbname=b".into())),
            ("host=::1 dbname=b", StoreUrl::Postgres("host=::1 dbname=b".into())),
        ] {
            assert_eq!(url(text).as_ref(), Ok(&expected), "{text}");
            // The shown URL names the same store. Parameters of PostgreSQL are not shown.
            if !matches!(expected, StoreUrl::Postgres(_)) {
                assert_eq!(url(&expected.to_string()), Ok(expected), "{text}");
            }
        }
        assert_eq!(url(&StoreUrl::sqlite("//srv/a.db").to_string()), Ok(StoreUrl::sqlite("//srv/a.db")));
    }

    #[test]
    fn a_refused_url_names_the_right_one() {
        for (text, expected) in [
            ("a.db", "write sqlite:a.db"),
            ("/srv/a.db", "write sqlite:/srv/a.db"),
            ("file:a.db", "write sqlite:a.db"),
            ("file:///srv/a.db", "write sqlite:/srv/a.db"),
            ("sqlite:a.db?mode=ro", "mode=rw"),
            ("sqlite:a.db?mode=x", "rw, rwc or memory"),
            ("sqlite:a.db?mode=rw&mode=rwc", "twice"),
            ("sqlite:a.db?cache=shared", "`cache`"),
            ("sqlite:a.db?journal_mode=wal", "`journal_mode`"),
            ("sqlite:100%.db", "%25"),
            ("sqlite:a%00.db", "%25"),
            ("sqlite:%+1.db", "%25"),
            ("sqlite:%FF.db", "%25"),
            ("sqlite:", "path of a file"),
            ("sqlite://", "path of a file"),
            ("sqlite:?mode=rw", "path of a file"),
            ("", "sqlite:PATH"),
            ("postgres:b", "postgres://"),
            ("mysql://a/b", "postgres://"),
            ("memory:a", "sqlite:PATH"),
        ] {
            let refused = url(text).unwrap_err().to_string();
            assert!(refused.contains(expected), "{text}: {refused}");
        }
    }

    #[test]
    fn no_password_is_shown() {
        for (url, shown) in [
            ("postgres://ada:s3cret@db.internal/doorward", "postgres://ada@db.internal/doorward"),
            ("postgres://ada:s3c@ret@db.internal/doorward?sslmode=require", "postgres://ada@db.internal/doorward"),
            ("postgres://db.internal/doorward?user=ada&password=s3cret", "postgres://db.internal/doorward"),
            ("postgres:///doorward", "postgres:///doorward"),
            ("postgres://a/passwords", "postgres://a/passwords"),
            ("postgres://a/b?password=s3cret&schema=keys", "postgres://a/b?schema=keys"),
            ("host=a user=ada password=s3cret dbname=b", "host=a user=ada dbname=b"),
            ("host=a password='a host=s3cret'", "postgres:"),
            ("host=a password = s3cret", "postgres:"),
            ("host=a password=\\ host=s3cret", "postgres:"),
        ] {
            let (raw, url) = (url, url.parse::<StoreUrl>().unwrap());
            assert_eq!(url.has_password(), raw.contains("s3c"), "{raw}");
            assert_eq!((url.to_string(), format!("{url:?}")), (shown.to_owned(), shown.to_owned()));
        }
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn a_wrong_parameter_is_found_without_a_connection() {
        let check = |text: &str| url(text).unwrap().check();
        assert!(check("postgres://a/b?schema=keys&sslmode=verify-full").is_ok());
        assert!(check("sqlite:a.db").is_ok());
        for (text, named) in [("postgres://a/b?pgbouncer=true", "pgbouncer"), ("host=a foo=b", "foo")] {
            let refused = check(text).unwrap_err();
            assert!(matches!(&refused, StoreError::Settings(fault) if fault.contains(named)), "{refused}");
        }
    }
}
