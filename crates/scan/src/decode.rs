//! The encodings: each function reads one value of a known length at a known place.

use zeroize::Zeroizing;

/// The most bytes that an encoded value has before or behind its needle: a search in a part of a text keeps so many of the text.
pub(crate) const MARGIN: usize = 512;

/// A decoded text, and the place of the bytes that it was decoded from.
pub(crate) struct Decoded {
    pub(crate) value: Zeroizing<Vec<u8>>,
    pub(crate) begin: usize,
    pub(crate) end: usize,
}

/// Reads `length` characters of UTF-16, each of which has a zero byte before or behind it.
pub(crate) fn utf16(text: &[u8], start: usize, length: usize) -> Option<Decoded> {
    let end = start.checked_add((length * 2).checked_sub(1)?)?;
    let wide = text.get(start..end)?;
    let mut value = Zeroizing::new(Vec::with_capacity(length));
    for (number, byte) in wide.iter().enumerate() {
        match (number % 2, *byte) {
            (0, byte) => value.push(byte),
            (_, 0) => {}
            _ => return None,
        }
    }
    Some(Decoded { value, begin: start, end })
}

/// Reads `length` characters, at least one of which is percent-encoded once or twice.
pub(crate) fn percent(text: &[u8], start: usize, length: usize) -> Option<Decoded> {
    let plain = text.get(start..start.checked_add(length)?)?;
    if !plain.contains(&b'%') {
        return None;
    }
    let mut value = Zeroizing::new(Vec::with_capacity(length));
    let mut at = start;
    while value.len() < length {
        let rest = text.get(at..)?;
        let (byte, read) = match rest.strip_prefix(b"%") {
            Some(digits) => match (byte_of(digits)?, digits.get(2..)) {
                (b'%', Some(again)) => (byte_of(again)?, 5),
                (byte, _) => (byte, 3),
            },
            None => (*rest.first()?, 1),
        };
        value.push(byte);
        at += read;
    }
    Some(Decoded { value, begin: start, end: at })
}

/// Returns the byte that two hexadecimal digits write.
fn byte_of(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| digits.get(at).and_then(|digit| char::from(*digit).to_digit(16));
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// Returns the characters that base64 has for these bytes whatever stands before and behind them, and the number of the first one
/// in its group of four. The bytes begin at the byte `before` of a group of three.
pub(crate) fn stable_base64(bytes: &[u8], before: usize) -> (Vec<u8>, usize) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let padded: Vec<u8> = std::iter::repeat_n(0, before).chain(bytes.iter().copied()).collect();
    let bit = |number: usize| padded.get(number / 8).map_or(0, |byte| byte >> (7 - number % 8) & 1);
    let first = (before * 8).div_ceil(6);
    let characters = (first..padded.len() * 8 / 6).filter_map(|character| {
        let value = (character * 6..character * 6 + 6).fold(0, |value, number| value << 1 | bit(number));
        ALPHABET.get(usize::from(value)).copied()
    });
    (characters.collect(), first)
}

/// Reads a value of `length` bytes in base64 around the place `start`, which has the character with this number since the beginning
/// of a group of four. The value begins at the byte `byte` of the group. Lines may break within it.
pub(crate) fn base64(text: &[u8], start: usize, character: usize, byte: usize, length: usize) -> Option<Decoded> {
    // The characters before the value belong to other bytes, but for the last bits of one of them.
    let skipped = byte * 8 / 6;
    let begin = back(text, start, character.checked_sub(skipped)?)?;
    let bits = byte * 8 - skipped * 6;
    let mut value = Zeroizing::new(Vec::with_capacity(length));
    let (mut pool, mut held, mut at, mut to_drop) = (0_u32, 0, begin, bits);
    let limit = begin.saturating_add(MARGIN).min(text.len());
    while value.len() < length {
        let six = sextet(*text.get(at).filter(|_| at < limit)?);
        let Some(six) = six else {
            at += break_at(text.get(at..)?)?;
            continue;
        };
        pool = pool << 6 | u32::from(six);
        held += 6;
        at += 1;
        if to_drop > 0 {
            held -= to_drop;
            to_drop = 0;
        }
        if held >= 8 {
            held -= 8;
            value.push(u8::try_from(pool >> held & 0xff).ok()?);
        }
    }
    Some(Decoded { value, begin, end: at })
}

/// Returns the place that is `count` characters of base64 before the place `start`.
fn back(text: &[u8], start: usize, count: usize) -> Option<usize> {
    let mut at = start;
    let mut rest = count;
    while rest > 0 {
        at = at.checked_sub(1).filter(|at| start - at < MARGIN)?;
        match *text.get(at)? {
            // The letter of an escaped line break: `\n` or `\r`.
            b'n' | b'r' if at > 0 && text.get(at - 1) == Some(&b'\\') => at -= 1,
            byte if sextet(byte).is_some() => rest -= 1,
            b'\r' | b'\n' | b' ' | b'\t' => {}
            _ => return None,
        }
    }
    Some(at)
}

/// Returns the length of a line break within base64, with the indentation of the next line.
fn break_at(rest: &[u8]) -> Option<usize> {
    match rest {
        [b'\r' | b'\n' | b' ' | b'\t', ..] => Some(1),
        [b'\\', b'r' | b'n', ..] => Some(2),
        _ => None,
    }
}

/// Returns the six bits of a character of either alphabet.
const fn sextet(character: u8) -> Option<u8> {
    Some(match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}
