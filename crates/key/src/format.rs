//! The common format of access keys and operator tokens: `<head>_<locator>_<secret><checksum>`.

use doorward_types::Locator;

use crate::{KeyError, Random, RandomError, ShownOnce};

/// The base-62 digits in ASCII order, so that texts of equal length sort like their numbers.
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The values of the base-62 digits.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const VALUES: [u8; 256] = {
    let mut table = [0; 256];
    let mut value = 0;
    while value < BASE62.len() {
        table[BASE62[value] as usize] = value as u8;
        value += 1;
    }
    table
};

pub(crate) const SECRET_LENGTH: usize = 30;
pub(crate) const CHECKSUM_LENGTH: usize = 6;

/// The number of bytes from the underscore after the head to the end.
pub(crate) const TAIL_LENGTH: usize = 1 + Locator::LENGTH + 1 + SECRET_LENGTH + CHECKSUM_LENGTH;

/// Longer input is refused unread.
pub(crate) const MAX_INPUT: usize = 128;

/// CRC-32 (IEEE, reflected, polynomial 0xEDB88320) of `body` in base 62, left-padded with `0`.
///
/// Six digits are always enough, since 62⁶ > 2³².
fn checksum(body: &[u8]) -> [u8; CHECKSUM_LENGTH] {
    let mut rest = crc32fast::hash(body);
    let mut text = [b'0'; CHECKSUM_LENGTH];
    for digit in text.iter_mut().rev() {
        *digit = *BASE62.get(rest as usize % 62).unwrap_or(&b'0');
        rest /= 62;
    }
    text
}

/// Reads the part after the head, which the caller has checked. Does not check the checksum.
pub(crate) fn read_tail(tail: &[u8]) -> Result<Locator, KeyError> {
    let tail: &[u8; TAIL_LENGTH] = tail.try_into().map_err(|_| KeyError::Length)?;
    const SECOND: usize = 1 + Locator::LENGTH;
    if tail[0] != b'_' || tail[SECOND] != b'_' {
        return Err(KeyError::Shape);
    }
    let letters: &[u8; SECRET_LENGTH + CHECKSUM_LENGTH] = tail.last_chunk().ok_or(KeyError::Length)?;
    // The length is fixed and there is no early exit, so that the compiler compares sixteen bytes at a time.
    if !letters.iter().fold(true, |all, byte| all & byte.is_ascii_alphanumeric()) {
        return Err(KeyError::Alphabet);
    }
    let locator = tail.get(1..).and_then(|rest| rest.first_chunk()).ok_or(KeyError::Length)?;
    Locator::new(*locator).map_err(|_| KeyError::Alphabet)
}

/// Checks that the last six characters, which must be base-62 digits, are the checksum of the text before them.
#[expect(clippy::indexing_slicing, reason = "a byte is within a table of 256")]
pub(crate) fn check(text: &[u8]) -> Result<(), KeyError> {
    let (body, claimed) = text.split_last_chunk::<CHECKSUM_LENGTH>().ok_or(KeyError::Length)?;
    // Reading the number is cheaper than writing it: it needs no division.
    let claimed = claimed.iter().fold(0, |number, digit| number * 62 + u64::from(VALUES[usize::from(*digit)]));
    if claimed == u64::from(crc32fast::hash(body)) { Ok(()) } else { Err(KeyError::Checksum) }
}

/// Draws base-62 digits without modulo bias: takes six bits at a time and discards values above 61.
pub(crate) fn draw(random: &dyn Random, digits: &mut [u8]) -> Result<(), RandomError> {
    let mut pool = zeroize::Zeroizing::new([0_u8; 64]);
    let mut digits = digits.iter_mut();
    let Some(mut digit) = digits.next() else { return Ok(()) };
    loop {
        random.fill(pool.as_mut())?;
        for byte in pool.iter() {
            if let Some(letter) = BASE62.get(usize::from(byte & 63)) {
                *digit = *letter;
                match digits.next() {
                    Some(next) => digit = next,
                    None => return Ok(()),
                }
            }
        }
    }
}

/// Generates a fresh text with this head.
pub(crate) fn write(head: &str, random: &dyn Random) -> Result<(ShownOnce, Locator), RandomError> {
    let mut locator = [0_u8; Locator::LENGTH];
    draw(random, &mut locator)?;
    let mut secret = zeroize::Zeroizing::new([0_u8; SECRET_LENGTH]);
    draw(random, secret.as_mut())?;

    // The capacity is exact, since growing would leave a copy of the secret in freed memory.
    let mut text = Vec::with_capacity(head.len() + TAIL_LENGTH);
    text.extend_from_slice(head.as_bytes());
    text.push(b'_');
    text.extend_from_slice(&locator);
    text.push(b'_');
    text.extend_from_slice(secret.as_ref());
    let checksum = checksum(&text);
    text.extend_from_slice(&checksum);
    let locator = Locator::new(locator).map_err(|_| RandomError)?;
    Ok((ShownOnce::new(text), locator))
}
