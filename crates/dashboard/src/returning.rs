//! The page to return to after a sign-in. A cookie keeps its path, so that the link to sign in need not.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};

use crate::cookies::cookie_named;
use crate::preferences::own_path;
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
    set(reply, &format!("{COOKIE}={path}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={LIFETIME}"));
}

/// Returns the remembered page.
pub(crate) fn page(parts: &Parts, headers: &HeaderMap) -> Option<String> {
    let path = BASE64_URL_SAFE_NO_PAD.decode(cookie_named(headers, COOKIE)?).ok()?;
    own_path(parts, &String::from_utf8(path).ok()?)
}

/// Forgets the remembered page.
pub(crate) fn forget(reply: &mut Reply) {
    set(reply, &format!("{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"));
}

fn set(reply: &mut Reply, cookie: &str) {
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        reply.headers_mut().append(SET_COOKIE, cookie);
    }
}
