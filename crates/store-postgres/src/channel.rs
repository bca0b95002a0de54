//! The channel of hints. A channel belongs to the whole database, and several stores may share a database. So a notification
//! names its schema.

use doorward_store_sql::{Statement, sql};

/// Returns the statement that listens.
pub(crate) fn listen() -> Statement {
    sql("LISTEN doorward")
}

/// Returns the statement that notifies the nodes of the store in a schema.
pub(crate) fn notify(schema: &str) -> Statement {
    sql("SELECT pg_notify('doorward', $1)").text(schema)
}

/// Returns true if a notification is about the store in a schema. Older releases name no schema.
pub(crate) fn is_about(named: &str, schema: &str) -> bool {
    named.is_empty() || named == schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_of_another_store_is_ignored() {
        for (named, is_ours) in [("", true), ("keys", true), ("key", false), ("Keys", false), ("doorward", false)] {
            assert_eq!(is_about(named, "keys"), is_ours, "{named}");
        }
    }
}
