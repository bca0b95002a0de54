//! The records of an environment, and their part of the contract of an engine.
//!
//! | trait | what it is for |
//! |---|---|
//! | [`Table<R>`](Table) | records of one environment, reached through a [`Scope`](doorward_store::Scope) only |
//! | [`LinkSessions`] | tries to link a user's account elsewhere |
//! | [`Revocations`] | tokens that third parties are to be told to revoke |
//! | [`ToolCalls`] | calls of tools that wait for their end |
//! | [`Sealing`] | the sealed values of all scopes, and the key that seals them |
//!
//! [`Store`] is these and what the core needs; an [`Engine`] can be moved to another engine, too.
//!
//! # Adding environment-scoped data
//!
//! Make a record that implements [`Record`], and implement [`Table`] for it in the engine. No method takes a bare id, so
//! the rule holds without a line of policy.
//!
//! ```compile_fail
//! # use doorward_records::{RegisteredUser, Table};
//! # use doorward_types::RegisteredUserId;
//! // A record cannot be reached by its id alone.
//! async fn look(table: &dyn Table<RegisteredUser>, id: RegisteredUserId) {
//!     table.get(&id).await;
//! }
//! ```

mod data;
mod engine;
mod link;
mod record;
mod seal;
mod sealing;
mod tool_call;

pub use data::{Connector, ConnectorName, ConnectorNameError, Credential, CredentialKey, RegisteredUser};
pub use engine::{Engine, Store};
pub use link::{
    FoundLink, LINKS_KEPT, LinkSession, LinkSessions, LinkStatus, Revocation, Revocations, UnknownLinkStatus,
};
pub use record::{Record, Table};
pub use seal::{SealError, Sealed, SealingKey, SealingKeyError, SealingKeys};
pub use sealing::{
    Resealed, SealStep, SealedKind, SealedValue, Sealing, SealingError, check_seal, is_half_sealed, opens_any, reseal,
    write_sealed,
};
pub use tool_call::{TOOL_CALLS_KEPT, TOOL_CALLS_LET_GO, ToolCall, ToolCalls, ToolOutcome, UnknownOutcome};
