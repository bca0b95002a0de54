//! The cookie that binds a link to the browser that began it.

use doorward_key::{Digest, OpaqueToken};
use doorward_types::LinkSessionId;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use crate::linker::SESSION_LIFETIME;

/// The start of the cookie's name, which ends in the session's id, so that links in two tabs do not collide. The prefix makes
/// browsers limit the cookie to one host, one path and TLS (RFC 6265bis, section 4.1.3.2). `SameSite` is lax: browsers do not
/// send a strict cookie after a redirect from another site.
const COOKIE_NAME: &str = "__Host-doorward-link-";

/// Returns the cookie for a browser at the start of a session.
pub(crate) fn cookie(id: LinkSessionId, token: &OpaqueToken) -> Option<HeaderValue> {
    let lifetime = SESSION_LIFETIME.as_secs();
    let attributes = format!("Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={lifetime}");
    let mut cookie = HeaderValue::try_from(format!("{COOKIE_NAME}{id}={}; {attributes}", token.expose())).ok()?;
    cookie.set_sensitive(true);
    Some(cookie)
}

/// Returns the token in a session's cookie, if it is the token of the browser that began.
pub(crate) fn proof(headers: &HeaderMap, id: LinkSessionId, began: Option<Digest>) -> Option<OpaqueToken> {
    let name = format!("{COOKIE_NAME}{id}=");
    let pairs = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
    let mut found = pairs.filter_map(|pair| pair.trim().strip_prefix(&name));
    // Reject duplicate cookies: another site may have planted one of them.
    let (Some(token), None) = (found.next(), found.next()) else { return None };
    OpaqueToken::presented(token).filter(|token| began == Some(token.digest()))
}

#[cfg(test)]
mod tests {
    use doorward_key::SystemRandom;

    use super::*;

    #[test]
    fn only_a_single_session_cookie_proves_the_browser() {
        let (id, other) = (LinkSessionId::from_u128(1), LinkSessionId::from_u128(2));
        let token = OpaqueToken::generate(&SystemRandom).unwrap();
        let stranger = OpaqueToken::generate(&SystemRandom).unwrap();
        let set = cookie(id, &token).unwrap();
        let set = set.to_str().unwrap();
        assert!(
            set.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=1800") && !set.contains("Domain"),
            "{set}"
        );
        let pair = set.split(';').next().unwrap();
        let began = Some(token.digest());
        let proves = |lines: &[&str], id, began| {
            let lines = lines.iter().map(|line| (COOKIE, HeaderValue::from_str(line).unwrap()));
            let mut headers = HeaderMap::new();
            lines.for_each(|(name, value)| {
                headers.append(name, value);
            });
            proof(&headers, id, began).is_some()
        };
        assert!(proves(&[pair], id, began));
        assert!(proves(&["a=b", &format!("c=d; {pair}; e=f")], id, began));
        assert!(!proves(&[pair], id, None) && !proves(&[pair], other, began) && !proves(&[], id, began));
        assert!(!proves(&[pair], id, Some(stranger.digest())));
        assert!(!proves(&[pair, pair], id, began) && !proves(&[&format!("{pair}; {pair}")], id, began));
        let planted = format!("{COOKIE_NAME}{id}={}", stranger.expose());
        assert!(!proves(&[&planted], id, began) && !proves(&[&format!("{planted}; {pair}")], id, began));
    }
}
