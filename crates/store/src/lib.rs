//! What a storage engine of Doorward must do.
//!
//! Start with [`Scope`]: it states the rule that a production key never reaches test data, nor the reverse.
//!
//! # The contract, by trait
//!
//! | trait | what it is for |
//! |---|---|
//! | [`KeyStore`] | organizations, keys and their secrets; every change takes its audit event along |
//! | [`Coherence`] | what lets a node verify from memory, and a writer know when a dead secret is dead everywhere |
//! | [`LostChanges`] | what a failover lost, until an operator has answered for it |
//! | [`UsageLog`] | how often secrets were used |
//! | [`AuditLog`] | reading the events back, to be shown and to be verified |
//! | [`Outbox`] | shipping events elsewhere: which have not arrived yet |
//! | [`Operators`] | who may use the management side |
//! | [`SignIns`] | how an operator's browser is known |
//! | [`Rows`](copy::Rows) | everything, row by row: how a store moves to another engine |
//!
//! The core asks for a [`KeyEngine`], which is the first five, [`Operators`] and [`SignIns`]. What else the server needs of an
//! engine is in `doorward-records`: the records of an environment.
//!
//! # Adding an engine
//!
//! Implement the traits, call `doorward_store_conformance::all` from a test, add a feature to the facade and an arm to each
//! binary's engine choice. Nothing in `auth`, `http` or `key` changes. `docs/adding-an-engine.md` tells more.

mod change;
mod coherence;
pub mod copy;
mod error;
mod export;
mod logs;
mod lost;
mod operation;
mod outbox;
mod plan;
mod position;
mod provenance;
mod records;
mod scope;
mod sealing_key_id;
mod sign_in;
mod sourced;
mod traits;
mod verify;

pub use change::{Change, ChangeContext, Committed, Events, KeyRef, Successor, Touched};
pub use coherence::{
    Coherence, Knowledge, LONGEST_LEASE, Observation, OriginsChange, Poll, SecretChange, Session, SessionStatus,
};
pub use error::{BoxError, Conflict, StoreError};
pub use export::LogExport;
pub use logs::{known_logs, must_have_events};
pub use lost::{LostChange, LostChanges};
pub use operation::{
    IDEMPOTENCY_WINDOW, IdempotencyKey, IdempotencyKeyError, OPERATION_WINDOW, Operation, OperationRow, RequestHash,
    operations_forgotten,
};
pub use outbox::{Outbox, Shipment, SinkState};
pub use plan::{Facts, KeyFacts, Step};
pub use position::{CHANGE_LOG_LENGTH, OperationId, Position, Revision};
pub use provenance::{Doubt, Provenance, StoreId, StoreIdentity};
pub use records::{
    AccessKey, AccessKeyWithSecrets, LiveSecret, Operator, Organization, OriginEntry, ProviderAccess, ProviderIdentity,
    Secret, SecretUsage, SpanUses, USAGE_KEPT, USAGE_SPAN,
};
pub use scope::Scope;
pub use sealing_key_id::SealingKeyId;
pub use sign_in::{SignIn, SignInKind, SignIns, UnknownSignIn};
pub use sourced::Sourced;
pub use traits::{AuditLog, EventFilter, KeyEngine, KeyStore, OpenMode, Operators, Page, UsageLog, WhichKey};
pub use verify::{LogCheck, LogFault, verify_log};
