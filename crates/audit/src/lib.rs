//! The audit log: one event for each change.
//!
//! An [`EventDraft`] names the actor, the action and the record. The engine gives the draft the next sequence of its log, in the
//! same transaction as the change, which makes it an [`Event`]. So there is no change without its event, and no event without its
//! change.
//!
//! Each event's hash covers its canonical JSON and the previous event's hash. The same hashes are the leaves of a Merkle tree,
//! whose root a [`Checkpoint`] signs. `docs/reference/events.md` has the encoding, with test vectors.
//!
//! Each organization has one log for each environment. Events about a test key are in the test log; all other events of the
//! organization are in the production log. Events that concern no organization (operators) are in the installation's log,
//! [`doorward_types::OrganizationId::INSTALLATION`].
//!
//! The formats of an exported log, CSV among them, need the feature `export`, which is on by default.

mod action;
mod actor;
mod canonical;
mod chain;
mod checkpoint;
mod cosignature;
mod event;
#[cfg(feature = "export")]
mod export;
mod extension;
mod filed;
mod merkle;
mod note;
mod ocsf;
mod proof;
mod pruned;
mod verified;

pub use action::Action;
pub use actor::{ActorId, NoActorId};
pub use chain::{ChainError, ChainVerifier};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use cosignature::WitnessVerifier;
pub use event::{Attribution, Detail, Event, EventDraft, Hash, NoHash, Reason, SecretSummary};
#[cfg(feature = "export")]
pub use export::ExportFormat;
pub use extension::ExtensionProof;
pub use filed::{FiledEvent, FiledEventError};
pub use merkle::{Leaves, Tree, proves_consistency, proves_inclusion};
pub use note::{NoteError, NoteKey, NoteKeyError, NoteVerifier};
pub use proof::EventProof;
pub use pruned::{Pruned, PrunedError};
pub use verified::{Unproved, VerifiedLog};
