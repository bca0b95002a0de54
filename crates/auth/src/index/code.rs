//! Codes and hashes of locators.

use doorward_types::Locator;

/// The numbers of the ASCII letters and digits, from 1. Ten numbers fit into 60 bits at six bits each, and no locator
/// gives a zero tag.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const SIX_BITS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    let mut value = 1;
    while byte < 256 {
        if (byte as u8).is_ascii_alphanumeric() {
            table[byte] = value;
            value += 1;
        }
        byte += 1;
    }
    table
};

/// The letter or digit of each number in [`SIX_BITS`].
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const CHARACTERS: [u8; 64] = {
    let mut table = [0; 64];
    let mut byte = 0;
    while byte < 256 {
        if SIX_BITS[byte] != 0 {
            table[SIX_BITS[byte] as usize] = byte as u8;
        }
        byte += 1;
    }
    table
};

/// Returns the code of a locator, in 60 bits. Different locators have different codes. Other bytes may share the code
/// of a locator.
#[expect(clippy::indexing_slicing, reason = "a byte is within a table of 256")]
pub(super) fn code(locator: &[u8; Locator::LENGTH]) -> u64 {
    let six_bits = |(place, byte): (usize, &u8)| u64::from(SIX_BITS[usize::from(*byte)]) << (6 * place);
    locator.iter().enumerate().map(six_bits).fold(0, |code, bits| code | bits)
}

/// Returns the locator with this code, if there is one.
#[expect(clippy::indexing_slicing, reason = "six bits are within a table of 64")]
pub(super) fn locator(code: u64) -> Option<Locator> {
    Locator::new(std::array::from_fn(|place| CHARACTERS[(code >> (6 * place) & 0x3f) as usize])).ok()
}

/// Spreads codes. Locators are already random: the hash only prevents a client from choosing colliding locators.
pub(super) fn hash(code: u64, multiplier: u64) -> u64 {
    let product = u128::from(code) * u128::from(multiplier);
    (product as u64) ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_distinct_and_never_zero_and_lead_back() {
        let texts = ["0000000000", "0000000001", "1000000000", "zzzzzzzzzz", "ZZZZZZZZZZ", "aaaaaaaaaa", "AAAAAAAAAA"];
        let locators = texts.map(|text| text.parse::<Locator>().unwrap());
        let codes: BTreeSet<u64> = locators.iter().map(|locator| code(locator.as_bytes())).collect();
        assert_eq!(codes.len(), texts.len());
        assert!(codes.iter().all(|code| *code != 0 && code >> 60 == 0));
        assert!(locators.iter().all(|one| locator(code(one.as_bytes())) == Some(*one)));
        assert_eq!(locator(0), None);
    }
}
