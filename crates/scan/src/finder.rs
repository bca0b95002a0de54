//! The search in bytes: needles that every encoding of a value contains, and a whole check of each place that has one.

use std::fmt;

use crate::decode::{self, Decoded};
use crate::sighting::{Encoding, Kind, Sighting};
use aho_corasick::{AhoCorasick, MatchKind, packed};
use doorward_key::{Digest, KeyPrefix, PresentedKey, PresentedOperatorToken};
use doorward_types::{Environment, Locator};

/// The number of characters behind the head of a value: two underscores, the locator, the secret and the checksum.
const TAIL: usize = 2 + Locator::LENGTH + 30 + 6;

/// The encoding of the text at a needle.
#[derive(Clone, Copy, Debug)]
enum At {
    /// The value begins here, as it is or percent-encoded.
    Text,
    /// The value begins here, in UTF-16.
    Utf16,
    /// The value is in base64: the needle's first character is the one with this number since a whole group of four, and the
    /// value begins at this byte of the group of three.
    Base64 { character: usize, byte: usize },
}

struct Needle {
    bytes: Vec<u8>,
    at: At,
    value: Value,
}

/// The value that begins with a needle.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Value {
    Key,
    Token,
}

/// Finds the access keys of one prefix, and operators' tokens, in bytes.
///
/// A text is found if its checksum is right: a look-alike is not.
pub struct Finder {
    prefix: KeyPrefix,
    needles: Vec<Needle>,
    search: Search,
}

enum Search {
    Packed(packed::Searcher),
    Automaton(AhoCorasick),
    /// No automaton could be made of the needles, which cannot happen: each place is looked at.
    Everywhere,
}

impl Search {
    /// Returns the fast search, if this processor has it.
    fn packed(needles: &[Needle]) -> Option<Self> {
        let mut builder = packed::Config::new().match_kind(packed::MatchKind::LeftmostFirst).builder();
        builder.extend(needles.iter().map(|needle| &needle.bytes)).build().map(Self::Packed)
    }

    fn automaton(needles: &[Needle]) -> Option<Self> {
        let patterns = needles.iter().map(|needle| &needle.bytes);
        AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(patterns).ok().map(Self::Automaton)
    }

    fn next(&self, text: &[u8], from: usize) -> Option<usize> {
        if from >= text.len() {
            return None;
        }
        match self {
            Self::Packed(searcher) => searcher.find_in(text, (from..text.len()).into()).map(|found| found.start()),
            Self::Automaton(automaton) => {
                let input = aho_corasick::Input::new(text).range(from..);
                automaton.find(input).map(|found| found.start())
            }
            Self::Everywhere => Some(from),
        }
    }
}

impl fmt::Debug for Finder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finder").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Finder {
    /// Returns a finder of the keys with this prefix, and of operators' tokens.
    #[must_use]
    pub fn new(prefix: &KeyPrefix) -> Self {
        let needles = needles(prefix);
        let search = Search::packed(&needles).or_else(|| Search::automaton(&needles)).unwrap_or(Search::Everywhere);
        Self { prefix: prefix.clone(), needles, search }
    }

    /// Returns an expression for the beginnings of values in every encoding, byte for byte, in the syntax of the crate `regex` and
    /// so of ripgrep. Behind each of them, [`Finder::find`] looks for a whole value.
    #[must_use]
    pub fn expression(&self) -> String {
        let escaped = |needle: &Needle| needle.bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
        format!("(?-u:{})", self.needles.iter().map(escaped).collect::<Vec<_>>().join("|"))
    }

    /// Returns the prefix of the keys.
    #[must_use]
    pub const fn prefix(&self) -> &KeyPrefix {
        &self.prefix
    }

    /// Returns each value in the text once, in the order of their places.
    #[must_use]
    pub fn find(&self, text: &[u8]) -> Vec<Sighting> {
        let mut found = Vec::new();
        let mut lines = Lines::default();
        self.search(text, 0, text.len(), 0, &mut |mut sighting, start| {
            sighting.line = lines.of(text, start);
            found.push(sighting);
        });
        found
    }

    /// Returns the text with the public beginning of each value in its place.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.redacted(text.as_bytes()).0
    }

    /// Returns a text with each value replaced by its public beginning, and the values.
    pub(crate) fn redacted(&self, text: &[u8]) -> (String, Vec<Sighting>) {
        let found = self.find(text);
        let (mut shown, mut done) = (Vec::new(), 0);
        for sighting in &found {
            let begin = usize::try_from(sighting.offset).unwrap_or(usize::MAX);
            shown.extend_from_slice(text.get(done..begin).unwrap_or_default());
            shown.extend_from_slice(format!("{}_…", sighting.locator).as_bytes());
            done = begin.saturating_add(sighting.length).max(done);
        }
        shown.extend_from_slice(text.get(done..).unwrap_or_default());
        (String::from_utf8_lossy(&shown).into_owned(), found)
    }

    /// Tells of each value whose needle begins between `from` and `until`. `offset` is the place of the text in the whole.
    ///
    /// Each sighting comes with the place of its first byte in `text`, and without a line.
    pub(crate) fn search(
        &self,
        text: &[u8],
        from: usize,
        until: usize,
        offset: u64,
        tell: &mut dyn FnMut(Sighting, usize),
    ) {
        let mut at = from;
        // A value in base64 has several needles.
        let mut last = None;
        while let Some(start) = self.search.next(text, at).filter(|start| *start < until) {
            at = start + 1;
            let Some(here) = text.get(start..) else { return };
            for needle in self.needles.iter().filter(|needle| here.starts_with(&needle.bytes)) {
                let Some((sighting, begin)) = self.look(text, start, needle, offset) else { continue };
                if last != Some(begin) {
                    last = Some(begin);
                    tell(sighting, begin);
                }
            }
        }
    }

    /// Looks for a whole value at a needle. Returns it with the place of its first byte.
    fn look(&self, text: &[u8], start: usize, needle: &Needle, offset: u64) -> Option<(Sighting, usize)> {
        let length = match needle.value {
            Value::Key => self.prefix.as_str().len() + 1 + Environment::Test.key_label().len() + TAIL,
            Value::Token => PresentedOperatorToken::HEAD.len() + TAIL,
        };
        let sighting = |value: &[u8], begin: usize, end: usize, encoding| {
            let (kind, locator, digest) = self.parse(needle.value, value)?;
            let place = offset.saturating_add(u64::try_from(begin).ok()?);
            let length = end.saturating_sub(begin);
            Some((Sighting { kind, locator, digest, encoding, offset: place, length, line: 0 }, begin))
        };
        let decoded = |text: &Decoded, encoding| sighting(&text.value, text.begin, text.end, encoding);
        match needle.at {
            At::Text => text
                .get(start..start.checked_add(length)?)
                .and_then(|plain| sighting(plain, start, start + length, Encoding::Plain))
                .or_else(|| decoded(&decode::percent(text, start, length)?, Encoding::Percent)),
            At::Utf16 => {
                let is_odd = (offset.wrapping_add(u64::try_from(start).ok()?)) % 2 == 1;
                let is_zero_before = start.checked_sub(1).and_then(|before| text.get(before)) == Some(&0);
                let encoding = if is_odd && is_zero_before { Encoding::Utf16Be } else { Encoding::Utf16Le };
                decoded(&decode::utf16(text, start, length)?, encoding)
            }
            At::Base64 { character, byte } => {
                decoded(&decode::base64(text, start, character, byte, length)?, Encoding::Base64)
            }
        }
    }

    fn parse(&self, value: Value, text: &[u8]) -> Option<(Kind, Locator, Digest)> {
        match value {
            Value::Key => {
                let key = PresentedKey::parse(&self.prefix, text).ok()?;
                Some((Kind::AccessKey(key.environment()), key.locator(), key.digest()))
            }
            Value::Token => {
                let token = PresentedOperatorToken::parse(text).ok()?;
                Some((Kind::OperatorToken, token.locator(), token.digest()))
            }
        }
    }
}

/// The line of a place in a text, for places that come in their order.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    counted: usize,
    feeds: u64,
}

impl Lines {
    pub(crate) fn of(&mut self, text: &[u8], place: usize) -> u64 {
        // The place of a value in base64 can lie before that of the value before it.
        let from = if place < self.counted { 0 } else { self.counted };
        if from == 0 {
            self.feeds = 0;
        }
        let between = text.get(from..place).unwrap_or_default();
        self.feeds += feeds(between);
        self.counted = place;
        self.feeds + 1
    }
}

/// Returns the number of line feeds.
pub(crate) fn feeds(text: &[u8]) -> u64 {
    u64::try_from(memchr::memchr_iter(b'\n', text).count()).unwrap_or(u64::MAX)
}

/// Returns the needles of a prefix. Each encoding of a value has one of them.
fn needles(prefix: &KeyPrefix) -> Vec<Needle> {
    let prefix = prefix.as_str();
    let keys = [Environment::Production, Environment::Test].map(|environment| {
        let head = format!("{prefix}_{}_", environment.key_label());
        (head.into_bytes(), Value::Key)
    });
    let token = (format!("{}_", PresentedOperatorToken::HEAD).into_bytes(), Value::Token);
    let mut needles = Vec::new();
    let mut add = |bytes: Vec<u8>, at, value| needles.push(Needle { bytes, at, value });
    for (head, value) in keys.iter().chain([&token]) {
        // Without the second underscore of a key, since it may be percent-encoded.
        let text = if *value == Value::Key { head.get(..head.len() - 1).unwrap_or_default() } else { head };
        add(text.to_vec(), At::Text, *value);
        let mut wide: Vec<u8> = text.iter().flat_map(|byte| [*byte, 0]).collect();
        // The last zero of the lower-endian form comes behind a text, that of the other form before it.
        wide.pop();
        add(wide, At::Utf16, *value);
        for byte in 0..3 {
            add_base64(head, byte, *value, &mut add);
        }
    }
    for (name, value) in [(prefix, Value::Key), (PresentedOperatorToken::HEAD, Value::Token)] {
        for mark in ["%5", "%25"] {
            add(format!("{name}{mark}").into_bytes(), At::Text, value);
        }
        for sign in ["%", "%25"] {
            let lower: String = name.bytes().map(|byte| format!("{sign}{byte:02x}")).collect();
            let upper: String = name.bytes().map(|byte| format!("{sign}{byte:02X}")).collect();
            if lower != upper {
                add(upper.into_bytes(), At::Text, value);
            }
            add(lower.into_bytes(), At::Text, value);
        }
    }
    needles
}

/// Adds the needles of a head that begins at this byte of a group of three.
///
/// A line can break anywhere in base64. A long head has two needles, one of which has no break, since a line is longer than both.
/// A short one has a needle for each place of a break.
fn add_base64(head: &[u8], byte: usize, value: Value, add: &mut impl FnMut(Vec<u8>, At, Value)) {
    let (characters, first) = decode::stable_base64(head, byte);
    let mut both = |bytes: &[u8], character: usize| {
        let at = At::Base64 { character, byte };
        let url: Vec<u8> = bytes
            .iter()
            .map(|byte| match byte {
                b'+' => b'-',
                b'/' => b'_',
                other => *other,
            })
            .collect();
        if url != bytes {
            add(url, at, value);
        }
        add(bytes.to_vec(), at, value);
    };
    /// The least length of a needle: a shorter one would be found by chance too often.
    const LEAST: usize = 4;
    if characters.len() >= 2 * LEAST {
        let (left, right) = characters.split_at(characters.len() / 2);
        both(left, first);
        both(right, first + left.len());
    } else {
        both(&characters, first);
        for split in 1..characters.len() {
            let (left, right) = characters.split_at(split);
            both(&[left, b"\n", right].concat(), first);
            both(&[left, b"\r\n", right].concat(), first);
        }
    }
}

#[cfg(test)]
mod tests {
    use doorward_key::{FreshKey, SystemRandom};

    use super::*;

    #[test]
    fn every_processor_finds_the_same() {
        let prefix = KeyPrefix::default();
        let fresh = FreshKey::generate(&prefix, Environment::Test, &SystemRandom).unwrap();
        let value = fresh.value().expose();
        let text = format!("dw_test_\n{value}dw%5F{value}\n{}", value.replace('_', "%5F"));
        let expected = Finder::new(&prefix).find(text.as_bytes());
        assert_eq!(expected.len(), 3);
        for search in [Search::automaton(&needles(&prefix)).unwrap(), Search::Everywhere] {
            let finder = Finder { search, ..Finder::new(&prefix) };
            assert_eq!(finder.find(text.as_bytes()), expected);
        }
    }
}
