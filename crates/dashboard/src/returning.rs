//! The page to return to after a sign-in. A cookie keeps its path, so that the link to sign in need not.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::HeaderMap;

use crate::cookies::{self, cookie_named};
use crate::reply::Reply;
use crate::state::Parts;

const COOKIE: &str = "__Host-doorward-return";

/// The seconds for which the path is kept: longer than a link to sign in works.
const LIFETIME: u32 = 30 * 60;

/// Remembers the page that a person who is signed out asked for.
pub(crate) fn remember(parts: &Parts, path: &str, reply: &mut Reply) {
    let Some(path) = own_path(parts, path) else { return };
    let path = BASE64_URL_SAFE_NO_PAD.encode(path);
    // A lax cookie: it also comes with the answer of an identity provider.
    cookies::set(reply, &format!("{COOKIE}={path}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={LIFETIME}"));
}

/// Returns the remembered page.
pub(crate) fn page(parts: &Parts, headers: &HeaderMap) -> Option<String> {
    let path = BASE64_URL_SAFE_NO_PAD.decode(cookie_named(headers, COOKIE)?).ok()?;
    own_path(parts, &String::from_utf8(path).ok()?)
}

/// Forgets the remembered page.
pub(crate) fn forget(reply: &mut Reply) {
    cookies::set(reply, &format!("{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"));
}

/// Returns a path if it leads to a page of this dashboard, and not to another site.
pub(crate) fn own_path(parts: &Parts, path: &str) -> Option<String> {
    let rest = path.strip_prefix(parts.base.as_str())?;
    let is_plain = path.len() <= 1_024 && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let leads_inside = rest.is_empty() || (rest.starts_with('/') && !rest.starts_with("//"));
    let rest = without_values(rest)?;
    (is_plain && leads_inside && !(parts.base.is_empty() && rest.is_empty())).then(|| format!("{}{rest}", parts.base))
}

/// Returns a path and its query without what could be the value of a key, which no page repeats and no cookie keeps.
///
/// A query with such a text is left out. No path is left if the path itself has one.
pub(crate) fn without_values(path: &str) -> Option<&str> {
    // Only a value is longer than an id, with its letters as they are or percent-encoded.
    let is_value = |text: &&str| text.len() > "01h455vb4pex5vsknk084sn02q".len();
    let has_value = |text: &str| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '%').any(|run| is_value(&run));
    let (alone, query) = path.split_once('?').unwrap_or((path, ""));
    (!has_value(alone)).then_some(if has_value(query) { alone } else { path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_carries_a_value() {
        let value = "dw_test_4fG7hJ2kLm_9aQxYbZcWdVeUfTgShRiQjPkOlNmM0L1K2J3";
        let hidden = value.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
        let page = "/dashboard/org_01h455vb4pex5vsknk084sn02q/audit";
        let filtered = format!("{page}?environment=test&key=key_01h455vb4pex5vsknk084sn02q");
        assert_eq!(without_values(&filtered), Some(&*filtered));
        for value in [value, &hidden] {
            assert_eq!(without_values(&format!("{page}?actor={value}")), Some(page));
            assert_eq!(without_values(&format!("{page}/{value}?environment=test")), None);
        }
    }
}
