//! Passkeys: the keys on operators' devices, by which operators sign in to the page.

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_key::Digest;
use doorward_types::{Name, OperatorId, Timestamp};

use crate::{Operator, StoreError};

/// The public half of a key that only an operator's device can use (W3C, Web Authentication).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Passkey {
    /// The id that the device gave, in base64url. It is unique in the store.
    pub id: String,
    /// The operator. Deleting the operator deletes this record.
    pub operator: OperatorId,
    /// The operator's name for the device.
    pub name: Name,
    /// The public key, the count of signatures and what else a check needs. Only the checking program reads it.
    pub credential: Vec<u8>,
    /// The time when the passkey was added.
    pub created_at: Timestamp,
    /// The time of the last sign-in.
    pub last_used_at: Option<Timestamp>,
}

impl Passkey {
    /// Creates the record of a passkey that was never used.
    #[must_use]
    pub const fn new(id: String, operator: OperatorId, name: Name, credential: Vec<u8>, created_at: Timestamp) -> Self {
        Self { id, operator, name, credential, created_at, last_used_at: None }
    }
}

/// The passkeys of all operators.
#[async_trait]
pub trait Passkeys: Send + Sync {
    /// Adds a passkey and writes the event. Fails with [`StoreError::NotFound`] if there is no such operator, and with
    /// [`crate::Conflict::Duplicate`] if the id is known.
    async fn add_passkey(&self, passkey: Passkey, event: EventDraft) -> Result<(), StoreError>;

    /// Returns the passkeys of an operator, oldest first.
    async fn passkeys_of(&self, operator: OperatorId) -> Result<Vec<Passkey>, StoreError>;

    /// Returns the passkey with this id and its operator.
    async fn passkey(&self, id: &str) -> Result<Option<(Passkey, Operator)>, StoreError>;

    /// Records a use: replaces the credential, and sets the time of the last use. Returns false, and writes nothing, if the
    /// passkey is gone or its credential is no longer that of `seen`: of two uses at the same moment, one comes too late.
    async fn use_passkey(&self, seen: &Passkey, credential: Vec<u8>, at: Timestamp) -> Result<bool, StoreError>;

    /// Removes a passkey of this operator, and writes the event in the same transaction. Returns false, and writes no event,
    /// if the operator has no such passkey.
    async fn remove_passkey(&self, operator: OperatorId, id: &str, event: EventDraft) -> Result<bool, StoreError>;

    /// Records that a challenge was answered, until this time. Returns false if it was answered before. Forgets the
    /// challenges whose time is over `now`.
    async fn spend_challenge(&self, challenge: Digest, now: Timestamp, until: Timestamp) -> Result<bool, StoreError>;
}
