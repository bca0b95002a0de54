use doorward_store::SealingKeyId;

/// The first bytes of a sealed value that names its key. Older values begin with a random nonce.
pub(crate) const MARKER: [u8; 4] = *b"dwS1";

/// A sealed secret: a marker, the id of its key, the nonce, the ciphertext and the tag. Older values begin with the
/// nonce.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// Returns the sealed secret that an engine stored as these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Returns the bytes that an engine stores.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the id of the key that sealed the secret, if the secret names it.
    #[must_use]
    pub fn key_id(&self) -> Option<SealingKeyId> {
        self.named().map(|(id, _)| id)
    }

    /// Returns the id of the key and the rest, if the secret names its key.
    pub(crate) fn named(&self) -> Option<(SealingKeyId, &[u8])> {
        let (id, rest) = self.0.strip_prefix(&MARKER)?.split_first_chunk()?;
        Some((SealingKeyId::from_bytes(*id), rest))
    }
}
