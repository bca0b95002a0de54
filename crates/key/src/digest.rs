use sha2::Digest as _;
use subtle::ConstantTimeEq;

/// SHA-256 of a key's whole text. Stores keep only this digest.
///
/// A fast hash is right here: it protects 178 random bits, too many to search. Slow hashes protect passwords, which people
/// choose. The comparison takes the same time for equal and different digests.
#[derive(Clone, Copy)]
pub struct Digest([u64; 4]);

impl Digest {
    pub(crate) fn of(text: &[u8]) -> Self {
        match text.try_into() {
            Ok(text) => Self::of_one_block(text),
            Err(_) => Self::from_bytes(sha2::Sha256::digest(text).into()),
        }
    }

    /// Hashes a key with the default prefix. With its padding, it fits into one block of SHA-256 (FIPS 180-4, 5.1.1).
    ///
    /// The library's general function fills a buffer of any length first, which costs 8 of 46 ns.
    fn of_one_block(text: &[u8; 55]) -> Self {
        const INITIAL: [u32; 8] =
            [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
        /// The bit after the text, then the text's length in bits.
        const PADDING: [u8; 9] = [0x80, 0, 0, 0, 0, 0, 0, 0x01, 0xb8];
        let mut block = [0; 64];
        let (front, back) = block.split_at_mut(text.len());
        front.copy_from_slice(text);
        back.copy_from_slice(&PADDING);
        let mut state = INITIAL;
        sha2::block_api::compress256(&mut state, &[block]);
        let mut bytes = [0; 32];
        let (lanes, _) = bytes.as_chunks_mut();
        for (lane, word) in lanes.iter_mut().zip(state) {
            *lane = word.to_be_bytes();
        }
        Self::from_bytes(bytes)
    }

    /// Returns the digest with these bytes, read from a store.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let (lanes, _) = bytes.as_chunks::<8>();
        let mut words = [0; 4];
        for (word, lane) in words.iter_mut().zip(lanes) {
            *word = u64::from_le_bytes(*lane);
        }
        Self(words)
    }

    /// Returns the bytes, for a store.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let (lanes, _) = bytes.as_chunks_mut::<8>();
        for (lane, word) in lanes.iter_mut().zip(self.0) {
            *lane = word.to_le_bytes();
        }
        bytes
    }

    /// Returns the digest as four little-endian words, the form that an index keeps and compares.
    ///
    /// Comparing words costs almost nothing; comparing 32 single bytes took 31 ns, half of a SHA-256.
    #[must_use]
    pub const fn words(&self) -> &[u64; 4] {
        &self.0
    }

    /// Returns the digest with these words.
    #[must_use]
    pub const fn from_words(words: [u64; 4]) -> Self {
        Self(words)
    }
}

impl ConstantTimeEq for Digest {
    fn ct_eq(&self, other: &Self) -> subtle::Choice {
        let difference = self.0.iter().zip(other.0).fold(0, |difference, (mine, theirs)| difference | (mine ^ theirs));
        difference.ct_eq(&0)
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl Eq for Digest {}

doorward_types::debug_as!(Digest, "Digest(…)");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_hashed_as_the_library_does() {
        let text: Vec<u8> = (0..=128).collect();
        for length in 0..=128 {
            let (text, _) = text.split_at(length);
            let expected: [u8; 32] = sha2::Sha256::digest(text).into();
            assert_eq!(Digest::of(text).to_bytes(), expected, "{length} bytes");
        }
    }
}
