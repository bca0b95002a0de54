//! What happened: one event for each creation, staging, regeneration and deletion.
//!
//! An [`EventDraft`] says who did what to which record. An engine gives it the next sequence of its log in the same
//! transaction as the change that it tells of, which makes it an [`Event`]: no change without its event, no event
//! without its change.
//!
//! Each event's hash covers its canonical JSON and the hash of the one before; the same hashes are the leaves of a Merkle
//! tree, whose root a [`Checkpoint`] signs. `docs/audit.md` has the encoding, with vectors.
//!
//! There is one log per organization and environment. What concerns a test key is in the test log, all else in the
//! production log; what concerns no organization (operators) is in the log of the installation itself,
//! [`doorward_types::OrganizationId::INSTALLATION`].

mod action;
mod actor;
mod canonical;
mod chain;
mod checkpoint;
mod event;
mod export;
mod filed;
mod merkle;
mod note;
mod ocsf;
mod proof;
mod pruned;
mod verified;

pub use action::{Action, UnknownAction};
pub use actor::{ActorId, NoActorId};
pub use chain::{ChainFault, ChainVerifier};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use event::{Attribution, Detail, Event, EventDraft, Hash, NoHash, Reason, SecretSummary};
pub use export::{ExportFormat, UnknownFormat};
pub use filed::{FiledEvent, FiledEventError};
pub use merkle::{Tree, inclusion_proof, proves_inclusion};
pub use note::{NoteError, NoteKey, NoteKeyError, NoteVerifier};
pub use proof::EventProof;
pub use pruned::{Pruned, PrunedFault};
pub use verified::{Unproved, VerifiedLog};
