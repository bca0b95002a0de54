//! The core: issues, verifies and rotates access keys. It knows no engine and no HTTP.
//!
//! | type | purpose |
//! |---|---|
//! | [`Verifier`] | a node that verifies from memory: no I/O, no allocation, no lock |
//! | [`Issuer`] | every change to keys; returns when the change is in effect everywhere |
//! | [`Principal`] | the identity of a verified key, with the [`Scope`](doorward_store::Scope) of its data |
//! | [`OperatorPrincipal`] | an authenticated operator: every management call needs it |
//! | [`Visitor`] | a user of the service that embeds the core, who manages one organization |
//! | [`LostChanges`] | changes that the store lost |
//! | `Operators` | operators, their tokens and sign-ins |
//! | `restore::RestoreReview` | the review of a restored store |
//!
//! The last two need the feature `operators`, and `Verifier::check_origin` needs the feature `origins`. Both features are
//! on by default.
//!
//! # The promise
//!
//! After [`Issuer::regenerate`], [`Issuer::delete`] or [`Issuer::unstage`] has returned, no verification that *begins*
//! on any node accepts the revoked secret. The same holds for all secrets of an organization after [`Issuer::suspend`]
//! and [`Issuer::close`]. The method returns within [`LeaseConfig::writer_wait`] of its commit,
//! whatever the nodes do. A node that cannot prove that it is current answers [`VerifyError::NotCurrent`], and neither
//! accepts nor refuses the key.
//!
//! A node polls the store. The result is valid for one *lease*, which begins **before** the poll. A verification reads
//! the lease's end first, looks the key up, and reads the clock **last**. A writer commits, and waits until each node
//! has acknowledged the change, or until every lease from before the commit has ended.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use doorward_auth::{Core, CurrentValue, Issuer, OperatorPrincipal, VerifyError, StagedKey, Verifier};
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
//! assert_eq!(verifier.verify(acme.value.expose().as_bytes()).unwrap_err(), VerifyError::Unknown);
//! assert!(matches!(verifier.authenticate(acme.value.expose().as_bytes()), Err(VerifyError::Revoked(key)) if key.key == acme.key.id));
//! let CurrentValue::Fresh(value) = regenerated.value else { unreachable!("nothing was staged") };
//! assert!(verifier.verify(value.expose().as_bytes()).is_ok());
//! # Ok(()) }
//! ```

#[cfg(feature = "origins")]
mod callback;
mod change_request;
mod control;
mod core;
mod error;
mod impact;
mod import;
mod index;
mod issuer;
mod leaks;
mod lost;
mod node;
mod observer;
mod offered;
#[cfg(feature = "operators")]
mod operators;
mod organizations;
mod origins;
#[cfg(feature = "operators")]
mod passkeys;
mod principal;
mod progress;
mod receipt;
#[cfg(feature = "operators")]
pub mod restore;
mod revoked;
mod rotation;
#[cfg(feature = "operators")]
mod sign_in;
mod staged_key;
mod timing;
mod usage;
mod verifier;
#[cfg(feature = "operators")]
mod visit;
mod visitor;

#[cfg(feature = "origins")]
pub use crate::callback::CallbackError;
pub use crate::change_request::ChangeRequest;
pub use crate::core::Core;
pub use crate::error::{ManageError, StartError, VerifyError};
pub use crate::impact::{Impact, QUIET_PERIOD, UsedSecret};
pub use crate::import::{ImportOwner, ImportedKey, KeyImport};
pub use crate::issuer::{CurrentValue, Issuer, Labelled, Labelling, Minted, Regenerated};
pub use crate::leaks::{LeakHandled, LeakPolicies, LeakPolicy, LeakReport, LeakedKey, Reported};
pub use crate::lost::LostChanges;
pub use crate::node::FLUSH_INTERVAL;
pub use crate::observer::Observer;
pub use crate::offered::TakenKey;
#[cfg(feature = "operators")]
pub use crate::operators::{AddedOperator, OperatorTokenError, Operators};
pub use crate::organizations::{ERASURE_DELAY, NewOrganization, Provisioned, ProvisionedOnce, Renaming, Updated};
pub use crate::origins::Allowed;
pub use crate::principal::{OperatorPrincipal, Principal};
pub use crate::progress::ChangeProgress;
pub use crate::receipt::{Nodes, Receipt};
pub use crate::revoked::{KnownKey, RevokedKey};
pub use crate::rotation::{LONG_STAGED, ROTATION_PERIOD, rotation_due_at};
#[cfg(feature = "operators")]
pub use crate::sign_in::{LINK_LIFETIME, Presence, SESSION_IDLE, SESSION_LIFETIME};
pub use crate::staged_key::StagedKey;
pub use crate::timing::{LeaseConfig, TimingError};
pub use crate::usage::FoundSecret;
pub use crate::verifier::{Verified, Verifier};
#[cfg(feature = "operators")]
pub use crate::visit::Visit;
pub use crate::visitor::{Visitor, VisitorError};
