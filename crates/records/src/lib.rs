//! The records of an environment, and their part of the contract of an engine.
//!
//! | trait | purpose |
//! |---|---|
//! | [`Table<R>`](Table) | records of one environment, reached through a [`Scope`](doorward_store::Scope) only |
//! | [`LinkSessions`] | link sessions |
//! | [`Revocations`] | tokens to revoke at third parties |
//! | [`ToolCalls`] | tool calls |
//! | [`Erasure`] | the erasure of closed organizations |
//! | [`Sealing`] | the sealed values of all scopes, and the key that seals them |
//!
//! A [`Store`] has all of these traits, and the traits for the management of keys. The content of an [`Engine`] can
//! also be copied to another engine.
//!
//! The keys that seal and open values, and the rotation of keys, need the feature `sealing`, which is on by default. An
//! engine stores sealed values without it.
//!
//! # Adding environment-scoped data
//!
//! Implement [`Record`] for a new type, and [`Table`] for it in the engine. No method takes a bare id, so the rule
//! holds without further checks.
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
mod erasure;
mod grant;
mod link;
mod record;
#[cfg(feature = "sealing")]
mod reseal;
#[cfg(feature = "sealing")]
mod seal;
mod sealed;
mod sealing;
mod tool_call;

pub use data::{Connector, ConnectorName, ConnectorNameError, Credential, CredentialKey, RegisteredUser};
pub use engine::{Engine, Store};
pub use erasure::Erasure;
pub use grant::{LinkGrant, RevocationGrant};
pub use link::{FoundLink, LINK_RETENTION, LinkSession, LinkSessions, LinkStatus, Revocation, Revocations};
pub use record::{Record, Table};
#[cfg(feature = "sealing")]
pub use reseal::{Resealed, SealStep, SealingError, is_half_sealed, opens_any, reseal, write_sealed};
#[cfg(feature = "sealing")]
pub use seal::{SealError, SealingKey, SealingKeyError, SealingKeys};
pub use sealed::Sealed;
pub use sealing::{SealedKind, SealedValue, Sealing, check_seal};
pub use tool_call::{TOOL_CALL_PURGE_BATCH, TOOL_CALL_RETENTION, ToolCall, ToolCalls, ToolOutcome};
