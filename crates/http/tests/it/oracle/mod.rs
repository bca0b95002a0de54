//! A grammar that is independent of the reader. The fuzz target uses it too.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use regex::bytes::Regex;

/// `Bearer`, one space, and one or more bytes that are not white space. In field values, space and tab are the only white space
/// (RFC 9110, section 5.5).
pub(crate) fn credential(value: &[u8]) -> Option<&[u8]> {
    thread_local! {
        static GRAMMAR: Regex = Regex::new(r"(?s-u)\ABearer ([^ \t]+)\z").unwrap();
    }
    GRAMMAR.with(|grammar| Some(grammar.captures(value)?.get(1)?.as_bytes()))
}
