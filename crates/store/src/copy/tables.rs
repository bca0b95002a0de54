//! What a store holds, as every engine's schema has it: the tables by which it moves to another engine.

/// One value of a row.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Cell {
    /// Bytes.
    Bytes(Vec<u8>),
    /// Yes or no.
    Flag(bool),
    /// None.
    Null,
    /// A whole number.
    Number(i64),
    /// Text.
    Text(String),
}

/// The values of a table's columns, in their order.
pub type Row = Vec<Cell>;

/// What a column holds, or NULL.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// [`Cell::Bytes`].
    Bytes,
    /// [`Cell::Flag`].
    Flag,
    /// [`Cell::Number`].
    Number,
    /// [`Cell::Text`].
    Text,
}

/// A table that moves.
#[derive(Debug, Eq, PartialEq)]
pub struct CopiedTable {
    /// Its name.
    pub name: &'static str,
    /// Its columns, those of the primary key first.
    pub columns: &'static [(&'static str, Kind)],
    /// How many columns the primary key has.
    pub key: usize,
    /// Which rows move, as a condition of SQL; all, where there is none.
    pub only: Option<&'static str>,
}

use Kind::{Bytes, Flag, Number, Text};

/// Every table that moves, each after those that it refers to. Sessions and the change log stay behind: they are about the
/// nodes on the old store. So do link sessions, which last for half an hour, and the
/// sessions of operators.
pub const TABLES: &[CopiedTable] = &[
    CopiedTable {
        name: "organizations",
        columns: &[("id", Text), ("name", Text), ("created_at", Number)],
        key: 1,
        only: None,
    },
    CopiedTable {
        name: "access_keys",
        columns: &[
            ("organization", Text),
            ("environment", Text),
            ("id", Text),
            ("slot", Text),
            ("name", Text),
            ("generations", Number),
            ("created_at", Number),
            ("created_by", Text),
        ],
        key: 3,
        only: None,
    },
    CopiedTable {
        name: "secrets",
        columns: &[
            ("organization", Text),
            ("environment", Text),
            ("access_key", Text),
            ("state", Text),
            ("locator", Text),
            ("digest", Bytes),
            ("generation", Number),
            ("created_at", Number),
        ],
        key: 4,
        only: None,
    },
    CopiedTable {
        name: "allowed_origins",
        columns: &[
            ("organization", Text),
            ("id", Text),
            ("origin", Text),
            ("created_at", Number),
            ("created_by", Text),
        ],
        key: 2,
        only: None,
    },
    CopiedTable {
        name: "audit_events",
        columns: &[
            ("organization", Text),
            ("environment", Text),
            ("sequence", Number),
            ("time", Number),
            ("actor", Text),
            ("action", Text),
            ("subject", Text),
            ("source_address", Text),
            ("request_id", Text),
            ("detail", Text),
            ("previous_hash", Bytes),
            ("hash", Bytes),
            ("position", Number),
            ("incarnation", Number),
        ],
        key: 3,
        only: None,
    },
    CopiedTable {
        name: "pruned_logs",
        columns: &[
            ("organization", Text),
            ("environment", Text),
            ("size", Number),
            ("last_hash", Bytes),
            ("peaks", Bytes),
            ("checkpoint", Text),
        ],
        key: 3,
        only: None,
    },
    CopiedTable {
        name: "sinks",
        columns: &[("name", Text), ("position", Number), ("holder", Text), ("beat", Number)],
        key: 1,
        only: None,
    },
    CopiedTable {
        name: "operators",
        columns: &[
            ("id", Text),
            ("name", Text),
            ("locator", Text),
            ("digest", Bytes),
            ("created_at", Number),
            ("by_provider", Number),
            ("issuer", Text),
            ("subject", Text),
        ],
        key: 1,
        only: None,
    },
    CopiedTable {
        name: "registered_users",
        columns: &[
            ("organization", Text),
            ("environment", Text),
            ("id", Text),
            ("origin_user_id", Text),
            ("origin_user_name", Text),
            ("created_at", Number),
        ],
        key: 3,
        only: None,
    },
    CopiedTable {
        name: "credentials",
        columns: &[
            ("organization", Text),
            ("environment", Text),
            ("registered_user", Text),
            ("connector", Text),
            ("sealed", Bytes),
            ("created_at", Number),
            ("updated_at", Number),
        ],
        key: 4,
        only: None,
    },
    CopiedTable {
        name: "connectors",
        columns: &[
            ("organization", Text),
            ("environment", Text),
            ("name", Text),
            ("sealed", Bytes),
            ("created_at", Number),
            ("updated_at", Number),
        ],
        key: 3,
        only: None,
    },
    CopiedTable {
        name: "revocations",
        columns: &[
            ("organization", Text),
            ("environment", Text),
            ("id", Text),
            ("connector", Text),
            ("record", Text),
            ("sealed", Bytes),
            ("attempts", Number),
            ("due_at", Number),
        ],
        key: 3,
        only: None,
    },
    CopiedTable {
        name: "tool_calls",
        columns: &[
            ("organization", Text),
            ("environment", Text),
            ("id", Text),
            ("tool", Text),
            ("connector", Text),
            ("registered_user", Text),
            ("access_key", Text),
            ("began_at", Number),
            ("ended_at", Number),
            ("outcome", Text),
        ],
        key: 3,
        only: None,
    },
    CopiedTable {
        name: "operations",
        columns: &[
            ("operation", Text),
            ("actor", Text),
            ("idempotency_key", Text),
            ("request", Bytes),
            ("revision", Number),
            ("subject", Text),
            ("time", Number),
        ],
        key: 1,
        only: None,
    },
    CopiedTable {
        name: "last_uses",
        columns: &[("locator", Text), ("last_used_at", Number)],
        key: 1,
        only: OF_LIVE_SECRETS,
    },
    CopiedTable {
        name: "uses",
        columns: &[("locator", Text), ("span", Number), ("uses", Number)],
        key: 2,
        only: OF_LIVE_SECRETS,
    },
    CopiedTable {
        name: "lost_changes",
        columns: &[("revision", Number), ("operation", Text), ("accepted", Flag)],
        key: 2,
        only: None,
    },
];

/// An engine may keep the counts of a dead secret for a while.
const OF_LIVE_SECRETS: Option<&str> = Some("locator IN (SELECT locator FROM secrets)");

impl CopiedTable {
    /// The columns' names, as a statement lists them.
    #[must_use]
    pub fn column_list(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    /// The statement that counts its rows.
    #[must_use]
    pub fn count_statement(&self) -> String {
        format!("SELECT count(*) FROM {} WHERE {}", self.name, self.only.unwrap_or("TRUE"))
    }

    /// The statement that reads a page of its rows in the order of their keys: from the first on, or after the key that
    /// the statement's parameters hold, whose places are given as the engine writes them, such as `$1, $2`.
    #[must_use]
    pub fn page_statement(&self, after: Option<&str>, limit: u32) -> String {
        let key = self.columns.iter().take(self.key).map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let after = after.map_or_else(|| "TRUE".to_owned(), |places| format!("({key}) > ({places})"));
        format!(
            "SELECT {} FROM {} WHERE {after} AND {} ORDER BY {key} LIMIT {limit}",
            self.column_list(),
            self.name,
            self.only.unwrap_or("TRUE"),
        )
    }
}
