//! The cookie of a session.

use doorward_key::OpaqueToken;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

/// The prefix makes browsers hold it to one host, one path and TLS (RFC 6265bis, section 4.1.3.2).
const COOKIE_NAME: &str = "__Host-doorward";

/// Returns the session that the request's cookie names.
pub(crate) fn session(headers: &HeaderMap) -> Option<OpaqueToken> {
    cookie_named(headers, COOKIE_NAME).and_then(OpaqueToken::presented)
}

/// Returns the one cookie of this name.
pub(crate) fn cookie_named<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
    let mut found = pairs.filter_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='));
    // Two of a name count as none: another site may have planted one.
    let first = found.next();
    first.filter(|_| found.next().is_none())
}

/// Returns the cookie of a session, which ends with the browser.
pub(crate) fn cookie(session: &OpaqueToken) -> Option<HeaderValue> {
    let text = format!("{COOKIE_NAME}={}; Path=/; Secure; HttpOnly; SameSite=Strict", session.expose());
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Returns the cookie that takes the session's away.
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
    fn one_cookie_is_a_session_and_two_are_none() {
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
