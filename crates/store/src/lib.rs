//! The contract of Doorward's storage engines.
//!
//! Start with [`Scope`]. It states the rule that a production key never reaches test data, and a test key never reaches
//! production data.
//!
//! # The contract, by trait
//!
//! | trait | purpose |
//! |---|---|
//! | [`KeyStore`] | organizations, keys and secrets; every change also writes its audit event |
//! | [`ChangeFeed`] | changes, for nodes that verify from memory |
//! | [`NodeRegistry`] | sessions of nodes, for writers that wait until a change is in effect |
//! | [`LostChangeStore`] | changes lost in a failover, until an operator accepts the loss |
//! | [`UsageLog`] | counts of uses |
//! | [`RetiredSecrets`] | revoked secrets, and who still sends them |
//! | [`AuditLog`] | reading, verifying and pruning audit events |
//! | [`Outbox`] | shipping events to sinks |
//! | [`OperatorStore`] | operators |
//! | [`SignIns`] | operators' sign-in links and sessions |
//! | [`Passkeys`] | operators' passkeys, for engines that keep them |
//! | [`Rows`](copy::Rows) | all tables row by row, for a copy to another engine |
//!
//! To verify, issue, rotate and delete keys, a program needs a [`KeyEngine`]: the first three traits, which have 20
//! methods without a default. The services for operators, sign-ins, audit logs, lost changes and usage also need the
//! traits with these names, and a [`ManagementEngine`] has all of them. The server also needs the records of an
//! environment, which are in `doorward-records`.
//!
//! `LogExport` needs the feature `export`, which is on by default.
//!
//! # Adding an engine
//!
//! Implement the traits, call `doorward_store_conformance::all` from a test, add a feature to the facade and an arm to
//! each binary's engine choice. Nothing in `auth`, `http` or `key` changes. See `docs/how-to/add-an-engine.md`.

mod audit_log;
mod change;
pub mod copy;
mod engine;
mod error;
#[cfg(feature = "export")]
mod export;
mod feed;
mod key_store;
mod keys;
mod logs;
mod lost;
mod nodes;
mod operation;
mod operators;
mod outbox;
mod overview;
mod page;
mod passkey;
mod plan;
mod position;
mod provenance;
mod retired;
mod scope;
mod sealing_key_id;
mod session;
mod sign_in;
mod sourced;
mod usage;
mod verify;

pub use audit_log::{AuditLog, EventFilter};
pub use change::{Change, ChangeContext, ChangeTarget, Committed, Events, KeyRef, OrganizationUpdate, Successor};
pub use engine::{KeyEngine, ManagementEngine, Migration, OpenMode, Opening, SchemaState};
pub use error::{BoxError, Conflict, StoreError};
#[cfg(feature = "export")]
pub use export::LogExport;
pub use feed::{ChangeFeed, Knowledge, Observation, OriginsChange, Poll, SecretChange};
pub use key_store::{KeyStore, WhichKey};
pub use keys::{
    AccessKey, AccessKeyWithSecrets, ActiveSecret, Hold, KeyLabel, LeakMarks, Organization, OriginEntry, Secret,
};
pub use logs::{known_logs, must_have_events};
pub use lost::{LostChange, LostChangeStore};
pub use nodes::{NodeDescription, NodeRecord, NodeRegistry};
pub use operation::{
    IDEMPOTENCY_WINDOW, IdempotencyKey, IdempotencyKeyError, OPERATION_WINDOW, Operation, OperationRow, RequestHash,
    operations_forgotten,
};
pub use operators::{Operator, OperatorStore, ProviderAccess, ProviderIdentity};
pub use outbox::{Outbox, OutboxEntry, SinkState};
pub use overview::KeyOverview;
pub use page::Page;
pub use passkey::{Passkey, Passkeys};
pub use plan::{Facts, Feature, KeyFacts, Step};
pub use position::{CHANGE_LOG_LENGTH, OperationId, Position, Revision};
pub use provenance::{Doubt, Provenance, StoreId, StoreIdentity};
pub use retired::{RETIRED_RETENTION, Refusals, RetiredSecret, RetiredSecrets};
pub use scope::Scope;
pub use sealing_key_id::SealingKeyId;
pub use session::{LONGEST_LEASE, Session, SessionStatus};
pub use sign_in::{SignIn, SignInKind, SignIns};
pub use sourced::Sourced;
pub use usage::{SecretUsage, USAGE_BUCKET, USAGE_RETENTION, UsageBucket, UsageLog};
pub use verify::{LogCheck, LogError, verify_log};
