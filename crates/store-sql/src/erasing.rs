//! The erasure of closed organizations.

use doorward_types::Timestamp;

use crate::revoking::Revoking;
use crate::{Statement, sql, text};

/// The condition that selects the rows of the closed organizations that are due.
const OF_CLOSED: &str = "organization IN (SELECT id FROM organizations WHERE erase_at <= $1)";

/// Reads a row if a closed organization is due.
pub fn any_due(now: Timestamp) -> Statement {
    sql("SELECT 1 FROM organizations WHERE erase_at <= $1 LIMIT 1").bind(&now)
}

/// Locks the users and then the link sessions of the closed organizations that are due, as a completed link does.
pub fn lock_due(now: Timestamp) -> [Statement; 2] {
    [
        text!("SELECT id FROM registered_users WHERE {OF_CLOSED} FOR UPDATE"),
        text!("SELECT id FROM links WHERE {OF_CLOSED} FOR UPDATE"),
    ]
    .map(|lock| sql(lock).bind(&now))
}

/// Erases the data of the closed organizations that are due. Connectors stay while a revocation needs them.
pub fn erase(revoking: &Revoking, now: Timestamp) -> Vec<Statement> {
    let erase = [
        text!("DELETE FROM links WHERE {OF_CLOSED}"),
        text!("DELETE FROM credentials WHERE {OF_CLOSED}"),
        text!("DELETE FROM registered_users WHERE {OF_CLOSED}"),
        text!("DELETE FROM tool_calls WHERE {OF_CLOSED}"),
        text!("DELETE FROM retired_secrets WHERE {OF_CLOSED}"),
        text!(
            "DELETE FROM connectors WHERE {OF_CLOSED} AND organization NOT IN (SELECT organization FROM revocations)"
        ),
        "UPDATE organizations SET erase_at = NULL
         WHERE erase_at <= $1 AND id NOT IN (SELECT organization FROM revocations)",
    ];
    revoking.all_of_closed(now).into_iter().chain(erase.map(|erase| sql(erase).bind(&now))).collect()
}
