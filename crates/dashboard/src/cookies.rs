//! The session cookie.

#[cfg(any(feature = "oidc", feature = "passkeys"))]
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use doorward_key::OpaqueToken;
#[cfg(any(feature = "oidc", feature = "passkeys"))]
use doorward_records::{Sealed, SealingKeys};
use http::header::{COOKIE, InvalidHeaderValue, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
#[cfg(any(feature = "oidc", feature = "passkeys"))]
use zeroize::Zeroizing;

use crate::reply::Reply;

/// The prefix makes browsers limit the cookie to one host, one path and TLS (RFC 6265bis, section 4.1.3.2).
const COOKIE_NAME: &str = "__Host-doorward";

/// The cookie of the secret that guards a visitor's forms.
const FORM_KEY_NAME: &str = "__Host-doorward-form";

/// Returns the session token in the request's cookie.
pub(crate) fn session(headers: &HeaderMap) -> Option<OpaqueToken> {
    cookie_named(headers, COOKIE_NAME).and_then(OpaqueToken::presented)
}

/// Returns the secret that guards the forms of this browser's visitor.
pub(crate) fn form_key(headers: &HeaderMap) -> Option<OpaqueToken> {
    cookie_named(headers, FORM_KEY_NAME).and_then(OpaqueToken::presented)
}

/// Returns the only cookie of this name.
pub(crate) fn cookie_named<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
    let mut found = pairs.filter_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='));
    // Reject duplicate cookies: another site may have planted one of them.
    let first = found.next();
    first.filter(|_| found.next().is_none())
}

/// Returns the cookie of a session. It expires when the browser closes.
pub(crate) fn cookie(session: &OpaqueToken) -> Option<HeaderValue> {
    sensitive(format!("{COOKIE_NAME}={}; Path=/; Secure; HttpOnly; SameSite=Strict", session.expose())).ok()
}

/// Returns the cookie of a secret that guards forms. A link from another site brings it too: otherwise such a link would replace
/// it, and with it the forms of other tabs.
pub(crate) fn form_key_cookie(secret: &OpaqueToken) -> Option<HeaderValue> {
    sensitive(format!("{FORM_KEY_NAME}={}; Path=/; Secure; HttpOnly; SameSite=Lax", secret.expose())).ok()
}

/// Returns a cookie that no log shows.
pub(crate) fn sensitive(text: String) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::try_from(text)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Adds a cookie to an answer.
pub(crate) fn set(reply: &mut Reply, text: &str) {
    if let Ok(cookie) = HeaderValue::try_from(text) {
        reply.headers_mut().append(SET_COOKIE, cookie);
    }
}

/// Returns the content of a cookie that was sealed for this purpose.
#[cfg(any(feature = "oidc", feature = "passkeys"))]
pub(crate) fn opened(headers: &HeaderMap, name: &str, purpose: &str, key: &SealingKeys) -> Option<Zeroizing<Vec<u8>>> {
    let sealed = Sealed::from_bytes(BASE64_URL_SAFE_NO_PAD.decode(cookie_named(headers, name)?).ok()?);
    key.open_for(purpose, &sealed).ok()
}

/// Returns the cookie that deletes the session's cookie.
pub(crate) const fn no_cookie() -> HeaderValue {
    HeaderValue::from_static("__Host-doorward=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns headers with these names and values.
    pub(crate) fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| (name.parse().unwrap(), value.parse().unwrap());
        let mut headers = HeaderMap::new();
        for (name, value) in pairs.iter().map(pair) {
            let name: http::HeaderName = name;
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn one_cookie_is_a_session_and_duplicates_are_refused() {
        let token = "a".repeat(43);
        let one = format!("theme=dark; __Host-doorward={token}; x=y");
        assert!(session(&headers(&[("cookie", &one)])).is_some());
        for none in [format!("{one}; __Host-doorward={token}"), format!("doorward={token}"), "__Host-doorward=x".into()]
        {
            assert!(session(&headers(&[("cookie", &none)])).is_none(), "{none}");
        }
        let twice = [("cookie", one.as_str()), ("cookie", one.as_str())];
        assert!(session(&headers(&twice)).is_none());
    }
}
