//! The engine for several nodes: PostgreSQL, or what speaks its protocol.
//!
//! The SQL is a portable subset, and a test lints every statement: no sequences, triggers, advisory locks, partial or
//! deferrable constraints. Statements are sent with the types of their parameters and are never prepared, so that the
//! engine works behind PgBouncer in transaction pooling without a mode of its own.
//!
//! Every change to keys takes the row of `revision` first, which makes it the only writer. That order also settles what
//! became of a commit that was not answered: the next holder of the row looks it up by its operation. A change takes two round
//! trips, and changes that are asked for at the same time share them.
//!
//! A node has connections of its own ([`Coherence::control`](doorward_store::Coherence::control)), and each answer that it
//! relies on says which server gave it.
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
mod coherence;
mod connect;
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
mod operators;
mod outbox;
mod retry;
mod row;
mod schema;
mod sealing;
mod server;
mod sign_ins;
mod statement;
mod store;
mod tables;
mod tool_calls;
mod transaction;
mod usage;
mod writer;

pub use crate::store::PostgresStore;
