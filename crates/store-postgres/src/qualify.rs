//! Statements whose tables are named with their schema.
//!
//! A pooler may run each transaction on another session, so a session's `search_path` cannot choose the schema. The
//! statements are written without schemas, because the engines share them. This is the only place that adds the schema.

use crate::schema::TABLES;
use crate::schema_name::SchemaName;

/// The words after which a name is a table's.
const BEFORE_A_TABLE: [&str; 9] = ["ANALYZE", "EXISTS", "FROM", "INTO", "JOIN", "ON", "REFERENCES", "TABLE", "UPDATE"];

/// Returns the statement with each of the store's tables named with its schema.
///
/// A name counts as a table's if it comes directly after a word such as `FROM`, and if no dot joins it to another name.
pub(crate) fn qualified(sql: &str, schema: &SchemaName) -> String {
    let quoted = schema.quoted();
    let mut text = String::with_capacity(sql.len() + 64);
    let (mut last, mut rest) = ("", sql);
    while let Some(first) = rest.chars().next() {
        let (token, after) = rest.split_at(token_length(rest, first));
        if is_of_a_word(first) {
            if BEFORE_A_TABLE.contains(&last) && TABLES.contains(token) && !after.starts_with('.') {
                text.push_str(&quoted);
                text.push('.');
            }
            last = token;
        } else if !first.is_whitespace() {
            last = "";
        }
        text.push_str(token);
        rest = after;
    }
    text
}

/// Returns the length of the token at the beginning of a text: a word, a literal or a single character.
fn token_length(text: &str, first: char) -> usize {
    let one = first.len_utf8();
    if first == '\'' {
        // Two quotes inside a literal are read as the end of this literal and the beginning of the next.
        return text.get(one..).and_then(|rest| rest.find('\'')).map_or(text.len(), |end| one + end + 1);
    }
    if is_of_a_word(first) { text.find(|letter| !is_of_a_word(letter)).unwrap_or(text.len()) } else { one }
}

fn is_of_a_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tables_get_the_schema() {
        let schema = "my keys".parse().unwrap();
        for (sql, expected) in [
            ("SELECT 1 FROM store", "SELECT 1 FROM \"my keys\".store"),
            (
                "SELECT uses.uses FROM secrets s\n  JOIN uses u ON u.locator = s.locator",
                "SELECT uses.uses FROM \"my keys\".secrets s\n  JOIN \"my keys\".uses u ON u.locator = s.locator",
            ),
            (
                "INSERT INTO uses (uses) VALUES ($1) ON CONFLICT (locator) DO UPDATE SET uses = uses.uses + excluded.uses",
                "INSERT INTO \"my keys\".uses (uses) VALUES ($1) ON CONFLICT (locator) DO UPDATE SET uses = uses.uses + \
                 excluded.uses",
            ),
            ("CREATE INDEX uses_by_span ON uses (span)", "CREATE INDEX uses_by_span ON \"my keys\".uses (span)"),
            (
                "CREATE TABLE IF NOT EXISTS schema_steps (id BIGINT REFERENCES store (id))",
                "CREATE TABLE IF NOT EXISTS \"my keys\".schema_steps (id BIGINT REFERENCES \"my keys\".store (id))",
            ),
            ("SELECT 'from it''s FROM store', 'FROM store'", "SELECT 'from it''s FROM store', 'FROM store'"),
            ("SELECT 1 FROM pg_settings", "SELECT 1 FROM pg_settings"),
            ("SELECT 1 FROM x.store JOIN store.x ON store.x", "SELECT 1 FROM x.store JOIN store.x ON store.x"),
            ("SELECT 1 FROM store FOR UPDATE", "SELECT 1 FROM \"my keys\".store FOR UPDATE"),
            ("SELECT 1 FROM (SELECT 2 FROM sinks) changes", "SELECT 1 FROM (SELECT 2 FROM \"my keys\".sinks) changes"),
        ] {
            assert_eq!(qualified(sql, &schema), expected);
        }
    }
}
