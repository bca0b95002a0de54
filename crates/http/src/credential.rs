use std::borrow::Cow;

use http::header::AUTHORIZATION;
use http::{HeaderMap, Uri};

/// The one word, exactly so.
const SCHEME: &[u8] = b"Bearer";

/// Why a request carries no credential that could be looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CredentialFault {
    /// No `Authorization` header.
    Missing,
    /// The header is not `Bearer`, one space, and a credential. The text says what is wrong and how it should look.
    Malformed(&'static str),
}

/// The credential of a request: what follows `Bearer ` in its one `Authorization` header line.
///
/// # Errors
///
/// [`CredentialFault`], which never holds what was sent.
pub fn credential(headers: &HeaderMap) -> Result<&[u8], CredentialFault> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let value = lines.next().ok_or(CredentialFault::Missing)?.as_bytes();
    if lines.next().is_some() {
        return Err(CredentialFault::Malformed("there is more than one Authorization header: send exactly one"));
    }
    let malformed = |what| Err(CredentialFault::Malformed(what));
    let Some((scheme, rest)) = value.split_at_checked(SCHEME.len()) else {
        return malformed("the header is no `Bearer <key>`: the word Bearer, one space, and the key");
    };
    if scheme != SCHEME {
        return malformed(if scheme.eq_ignore_ascii_case(SCHEME) {
            "the word is `Bearer`, with a capital B and the rest in lower case: `Bearer <key>`"
        } else {
            "the scheme is not Bearer: send `Bearer <key>`"
        });
    }
    match rest {
        [] => malformed("nothing follows the word Bearer: send `Bearer <key>`"),
        [b' ', b' ' | b'\t', ..] => {
            malformed("more than one space stands between the word Bearer and the key: send one")
        }
        [b' ', credential @ ..] if credential.iter().any(u8::is_ascii_whitespace) => {
            malformed("something follows the key: send `Bearer <key>` and nothing else")
        }
        [b' ', credential @ ..] => Ok(credential),
        _ => malformed("one space must stand between the word Bearer and the key: `Bearer <key>`"),
    }
}

/// The query string, percent-decoded: a key in it may stand either way.
pub(crate) fn decoded_query(uri: &Uri) -> Option<Cow<'_, [u8]>> {
    Some(percent_encoding::percent_decode_str(uri.query()?).into())
}
