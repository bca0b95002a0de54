//! The engine for several nodes: PostgreSQL, or a database that speaks its protocol.
//!
//! The SQL is a portable subset, and a test lints every statement: no sequences, triggers, advisory locks, partial or
//! deferrable constraints. Statements carry the types of their parameters and are never prepared, so the engine needs
//! no special mode behind PgBouncer in transaction pooling. Each statement names the schema of its tables, so it needs no
//! `search_path` either.
//!
//! Every change to keys first locks the row of `revision`, which makes the change the only writer. The lock also
//! settles the outcome of an unanswered commit: the next holder of the lock looks the change up by its operation. A
//! change takes two round trips; concurrent changes share them.
//!
//! A node has its own connections ([`NodeRegistry::control`](doorward_store::NodeRegistry::control)). Each answer that
//! it relies on names the server that gave it.
//!
//! ```no_run
//! # async fn example() -> Result<(), doorward_store::StoreError> {
//! use doorward_store::OpenMode;
//! use doorward_store_postgres::PostgresStore;
//!
//! let store = PostgresStore::open("postgres://doorward@db.internal/doorward", OpenMode::Create).await?;
//! # Ok(())
//! # }
//! ```

mod audit;
mod changes;
mod channel;
mod coherence;
mod connect;
mod connection;
mod connections;
mod copy;
mod error;
mod failover;
mod hints;
mod keys;
mod line;
mod links;
mod logs;
mod lost;
mod migrations;
mod options;
mod place;
mod qualify;
mod retry;
mod row;
mod schema;
mod schema_name;
mod sealing;
mod server;
mod sign_ins;
mod statement;
mod store;
mod tables;
mod tls;
mod tool_calls;
mod transaction;
mod url;
mod usage;
mod writer;

pub use crate::options::PostgresOptions;
pub use crate::schema_name::SchemaName;
pub use crate::store::PostgresStore;

doorward_store_sql::implement_shared_parts!(PostgresStore);
