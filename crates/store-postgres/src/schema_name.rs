use std::fmt;
use std::str::FromStr;

use doorward_store::StoreError;

/// The maximum length of a name in PostgreSQL. PostgreSQL cuts a longer name silently.
const MAX_BYTES: usize = 63;

/// The name of a schema in PostgreSQL. The default is `doorward`.
///
/// ```
/// use doorward_store_postgres::SchemaName;
///
/// assert_eq!(SchemaName::default().as_str(), "doorward");
/// assert!("keys".parse::<SchemaName>().is_ok());
/// assert!("pg_catalog".parse::<SchemaName>().is_err());
/// ```
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SchemaName(String);

impl SchemaName {
    /// Returns the name, without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name as an SQL identifier.
    pub(crate) fn quoted(&self) -> String {
        format!("\"{}\"", self.0.replace('"', "\"\""))
    }
}

impl Default for SchemaName {
    fn default() -> Self {
        Self("doorward".to_owned())
    }
}

impl FromStr for SchemaName {
    type Err = StoreError;

    /// # Errors
    ///
    /// [`StoreError::Settings`] if the name is empty, longer than 63 bytes or PostgreSQL's own, or has a control
    /// character.
    fn from_str(name: &str) -> Result<Self, StoreError> {
        let lower = name.to_ascii_lowercase();
        let fault = if name.is_empty() {
            "is empty"
        } else if name.len() > MAX_BYTES {
            "is longer than 63 bytes"
        } else if name.contains(char::is_control) {
            "has a control character"
        } else if lower.starts_with("pg_") || lower == "information_schema" {
            "belongs to PostgreSQL itself"
        } else {
            return Ok(Self(name.to_owned()));
        };
        Err(StoreError::Settings(format!(
            "the schema's name {name:?} {fault}: name another schema, such as `doorward`"
        )))
    }
}

impl fmt::Display for SchemaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_postgresql_cuts_or_reserves_is_refused() {
        for name in ["doorward", "public", "Keys", "a\"b; DROP TABLE x", "schlüssel", &"k".repeat(63)] {
            assert_eq!(name.parse::<SchemaName>().unwrap().as_str(), name);
        }
        for name in ["", "pg_keys", "PG_keys", "information_schema", "a\nb", "a\0b", &"ü".repeat(32), &"k".repeat(64)]
        {
            assert!(matches!(name.parse::<SchemaName>(), Err(StoreError::Settings(_))), "{name:?}");
        }
    }

    #[test]
    fn a_quoted_name_is_one_identifier() {
        let quoted = |name: &str| name.parse::<SchemaName>().unwrap().quoted();
        assert_eq!(quoted("keys"), "\"keys\"");
        assert_eq!(quoted("a\".b"), "\"a\"\".b\"");
    }
}
