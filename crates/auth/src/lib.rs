//! The core: issue, verify and rotate access keys. It knows no engine and no HTTP.
//!
//! | type | what it is for |
//! |---|---|
//! | [`Verifier`] | a node that verifies from memory: no I/O, no allocation, no lock |
//! | [`Issuer`] | every change to keys; returns when a dead secret is dead everywhere |
//! | [`Principal`] | who a verified key speaks for, with the [`Scope`](doorward_store::Scope) that reaches its data |
//! | [`OperatorPrincipal`] | an authenticated operator: management is done through it, and through nothing else |
//! | [`OperatorDesk`] | operators of the management side, and their tokens |
//! | [`LossDesk`] | changes that the store lost |
//! | [`RestoreDesk`](restore::RestoreDesk) | a store that was restored from a backup |
//!
//! # The promise
//!
//! When [`Issuer::regenerate`], [`Issuer::delete`] or [`Issuer::unstage`] has returned, no verification *begun* after
//! that, on any node, accepts the dead secret. It returns within [`Timing::writer_wait`] of its commit, whatever the
//! nodes do. A node that cannot prove that it is current answers [`Refusal::NotCurrent`]: never yes, and never no.
//!
//! How: a node polls the store, and what it read is good for one *lease*, counted from **before** it asked. A
//! verification takes the lease's end first, looks up, and reads the clock **last**. A writer commits, and waits until
//! each node says that it has published the change, or until every lease from before the commit has run out.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use doorward_auth::{Core, CurrentValue, Issuer, OperatorPrincipal, Refusal, StagedKey, Verifier};
//! use doorward_store_memory::MemoryStore;
//!
//! let core = Core::new(Arc::new(MemoryStore::new()));
//! let verifier = Verifier::start(&core).await?;
//! let issuer = Issuer::beside(&verifier);
//!
//! // Every change needs an operator. This program holds the store itself.
//! let request = OperatorPrincipal::local_administrator("ada".parse()?).request();
//! let acme = issuer.provision("Acme".parse()?, &request).await?;
//! let principal = verifier.authenticate(acme.value.expose().as_bytes())?;
//! assert_eq!(principal.key_id(), acme.key.id);
//!
//! // Leaked: regenerate first, roll out second.
//! let regenerated = issuer.regenerate(acme.organization.id, StagedKey::Promote, &request).await?;
//! assert_eq!(verifier.verify(acme.value.expose().as_bytes()).unwrap_err(), Refusal::Unknown);
//! assert!(matches!(verifier.authenticate(acme.value.expose().as_bytes()), Err(Refusal::Revoked(key)) if key.key == acme.key.id));
//! let CurrentValue::Fresh(value) = regenerated.value else { unreachable!("nothing was staged") };
//! assert!(verifier.verify(value.expose().as_bytes()).is_ok());
//! # Ok(()) }
//! ```

mod change_request;
mod control;
mod core;
mod dead;
mod error;
mod index;
mod issuer;
mod lost;
mod node;
mod operators;
mod origins;
mod principal;
mod receipt;
pub mod restore;
mod rotation;
mod sign_in;
mod timing;
mod usage;
mod verifier;
mod visit;

pub use crate::change_request::ChangeRequest;
pub use crate::core::Core;
pub use crate::dead::RevokedKey;
pub use crate::error::{IssueError, Refusal, StartError};
pub use crate::issuer::{Created, CurrentValue, Issuer, Provisioned, Regenerated, Staged, StagedKey};
pub use crate::lost::LossDesk;
pub use crate::operators::{AddedOperator, OperatorDesk, OperatorRefusal};
pub use crate::origins::{Allowed, OriginRefusal};
pub use crate::principal::{LinkGrant, OperatorPrincipal, Principal, RevocationGrant};
pub use crate::receipt::{Nodes, Receipt};
pub use crate::rotation::{ROTATION_PERIOD, rotation_due_at};
pub use crate::sign_in::{LINK_LIFETIME, Presence, SESSION_IDLE, SESSION_LIFETIME};
pub use crate::timing::{Timing, TimingError};
pub use crate::usage::{Impact, QUIET_PERIOD, UsedSecret};
pub use crate::verifier::{Verified, Verifier};
pub use crate::visit::Visit;
