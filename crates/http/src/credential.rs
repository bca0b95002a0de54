use std::borrow::Cow;

use http::header::AUTHORIZATION;
use http::{HeaderMap, Uri};

/// The scheme, case-sensitive.
const SCHEME: &[u8] = b"Bearer";

/// The reason why a request has no readable credential.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// No `Authorization` header.
    #[error("send the access key in the header `Authorization: Bearer <key>`")]
    Missing,
    /// The header is not `Bearer`, one space, and a credential. The text names the mistake and the correct form.
    #[error("{0}")]
    Malformed(&'static str),
}

/// Returns the credential of a request: the text after `Bearer ` in its only `Authorization` header.
///
/// # Errors
///
/// [`CredentialError`], which never contains the header's text.
pub fn credential(headers: &HeaderMap) -> Result<&[u8], CredentialError> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let value = lines.next().ok_or(CredentialError::Missing)?.as_bytes();
    if lines.next().is_some() {
        return Err(CredentialError::Malformed("there is more than one Authorization header: send exactly one"));
    }
    let malformed = |what| Err(CredentialError::Malformed(what));
    let Some((scheme, rest)) = value.split_at_checked(SCHEME.len()) else {
        return malformed("the header is not `Bearer <key>`: the word Bearer, one space, and the key");
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

/// Returns the query string, percent-decoded, since a key in it may be encoded.
pub(crate) fn decoded_query(uri: &Uri) -> Option<Cow<'_, [u8]>> {
    Some(percent_encoding::percent_decode_str(uri.query()?).into())
}
