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
//! | [`LinkSessions`] | tries to link a user's account elsewhere |
//! | [`Revocations`] | tokens that third parties are to be told to revoke |
//! | [`Operators`] | who may use the management side |
//! | [`Rows`](copy::Rows) | everything, row by row: how a store moves to another engine |
//! | [`Table<R>`](Table) | data of one environment, reached through a [`Scope`] only |
//!
//! The core asks for a [`KeyEngine`], which is the first five and [`Operators`] with [`SignIns`]; the server asks for a
//! [`Store`], which is all but [`Rows`](copy::Rows); an [`Engine`] is all of them.
//!
//! # Adding an engine
//!
//! Implement the traits, call `doorward_store_conformance::all` from a test, add a feature to the facade and an arm to each
//! binary's engine choice. Nothing in `auth`, `http` or `key` changes. `docs/adding-an-engine.md` tells more.
//!
//! # Adding environment-scoped data
//!
//! Make a record that implements [`Record`], and implement [`Table`] for it in the engine. No method takes a bare id, so
//! the rule holds without a line of policy.

mod change;
mod coherence;
pub mod copy;
mod error;
mod export;
mod link;
mod logs;
mod lost;
mod operation;
mod outbox;
mod plan;
mod provenance;
mod records;
mod scope;
mod seal;
mod sealing;
mod sign_in;
mod tool_call;
mod traits;
mod verify;

pub use change::{Change, ChangeContext, Committed, Events, KeyRef, Successor, Touched};
pub use coherence::{
    CHANGE_LOG_LENGTH, Coherence, Knowledge, LONGEST_LEASE, Observation, OriginsChange, Poll, Position, Revision,
    SecretChange, Session, SessionStatus,
};
pub use error::{BoxError, Conflict, StoreError};
pub use export::LogExport;
pub use link::{
    FoundLink, LINKS_KEPT, LinkSession, LinkSessions, LinkStatus, Revocation, Revocations, UnknownLinkStatus,
};
pub use logs::{known_logs, must_have_events};
pub use lost::{LostChange, LostChanges};
pub use operation::{
    IDEMPOTENCY_WINDOW, IdempotencyKey, IdempotencyKeyError, OPERATION_WINDOW, Operation, OperationId, OperationRow,
    RequestHash, operations_forgotten,
};
pub use outbox::{Outbox, Shipment, SinkState};
pub use plan::{Facts, KeyFacts, Step};
pub use provenance::{Doubt, Provenance, Sourced, StoreId, StoreIdentity};
pub use records::{
    AccessKey, AccessKeyWithSecrets, Connector, ConnectorName, ConnectorNameError, Credential, CredentialKey,
    LiveSecret, Operator, Organization, OriginEntry, ProviderAccess, ProviderIdentity, Record, RegisteredUser, Secret,
    SecretUsage, SpanUses, USAGE_KEPT, USAGE_SPAN,
};
pub use scope::Scope;
pub use seal::{SealError, Sealed, SealingKey, SealingKeyError, SealingKeyId, SealingKeys};
pub use sealing::{
    Resealed, SealStep, SealedKind, SealedValue, Sealing, SealingError, check_seal, is_half_sealed, opens_any, reseal,
    write_sealed,
};
pub use sign_in::{SignIn, SignInKind, SignIns, UnknownSignIn};
pub use tool_call::{TOOL_CALLS_KEPT, TOOL_CALLS_LET_GO, ToolCall, ToolCalls, ToolOutcome, UnknownOutcome};
pub use traits::{
    AuditLog, Engine, EventFilter, KeyEngine, KeyStore, OpenMode, Operators, Page, Store, Table, UsageLog, WhichKey,
};
pub use verify::{LogCheck, LogFault, verify_log};
