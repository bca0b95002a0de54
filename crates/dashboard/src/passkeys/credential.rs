//! The form in which the store keeps a credential: a version, the part that a use changes, and the public key with its kind.

use webauthn_rp::bin::{Decode, Encode};
use webauthn_rp::response::register::{CompressedPubKey, DynamicState, StaticState};

use crate::passkey_error::PasskeyError;

/// The version of this form.
const VERSION: u8 = 1;

/// The length of the part that a use changes.
const CHANGING: usize = 7;

type Key = CompressedPubKey<[u8; 32], [u8; 32], [u8; 48], Vec<u8>>;

/// A credential from the store.
pub(super) struct Credential<'a> {
    pub(super) changing: DynamicState,
    pub(super) fixed: StaticState<Key>,
    pub(super) fixed_bytes: &'a [u8],
}

impl<'a> Credential<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, PasskeyError> {
        let parts = bytes.split_first().filter(|(version, _)| **version == VERSION);
        let parts = parts.and_then(|(_, rest)| rest.split_first_chunk::<CHANGING>());
        let (changing, fixed_bytes) = parts.ok_or(PasskeyError::OtherVersion)?;
        let changing = DynamicState::decode(*changing).map_err(PasskeyError::unreadable)?;
        let fixed = StaticState::decode(fixed_bytes).map_err(PasskeyError::unreadable)?;
        Ok(Self { changing, fixed, fixed_bytes })
    }
}

/// Returns a credential for the store.
pub(super) fn bytes(changing: DynamicState, fixed: &[u8]) -> Result<Vec<u8>, PasskeyError> {
    let changing: [u8; CHANGING] = changing.encode().map_err(PasskeyError::begin)?;
    Ok([&[VERSION], changing.as_slice(), fixed].concat())
}
