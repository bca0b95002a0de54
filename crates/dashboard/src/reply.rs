//! Answers and their common headers.

use askama::Template;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY};
use http::header::{X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::assets::Asset;
use crate::body::{Content, whole};

pub(crate) type Reply = Response<Content>;

/// Allows only the page's own scripts, styles and pictures; no text that a script could turn into markup; no frame around the
/// page; no form to another site.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// Browser features that the page never needs.
const PERMISSIONS: &str = "camera=(), geolocation=(), microphone=(), payment=(), usb=()";

/// The content of an answer that may be compressed.
#[derive(Clone, Debug)]
pub(crate) struct Whole(pub(crate) Bytes);

/// Returns a page with this status.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> Reply {
    let (mut reply, text) = rendered(status, template);
    reply.extensions_mut().insert(Whole(text));
    reply
}

/// Returns a page with a secret, which is never compressed: the length of a compressed answer tells of its content (BREACH).
pub(crate) fn page_with_secret(template: &impl Template) -> Reply {
    rendered(StatusCode::OK, template).0
}

fn rendered(status: StatusCode, template: &impl Template) -> (Reply, Bytes) {
    match template.render() {
        Ok(text) => {
            let text = Bytes::from(text);
            (with_headers(status, "text/html; charset=utf-8", "no-store", text.clone()), text)
        }
        Err(error) => {
            tracing::error!(%error, "a page cannot be rendered");
            let text = Bytes::from_static(b"The page cannot be rendered.");
            (with_headers(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "no-store", text.clone()), text)
        }
    }
}

pub(crate) fn asset(asset: Asset) -> Reply {
    let caching = "public, max-age=31536000, immutable";
    let content = Bytes::from_static(asset.content.as_bytes());
    let mut reply = with_headers(StatusCode::OK, asset.media_type, caching, content.clone());
    reply.extensions_mut().insert(Whole(content));
    reply
}

/// Returns data for the page's own script.
#[cfg(feature = "passkeys")]
pub(crate) fn json(content: Bytes) -> Reply {
    with_headers(StatusCode::OK, "application/json", "no-store", content)
}

/// Returns a file to save, which is written while it is sent.
pub(crate) fn file(media_type: &'static str, content: Content) -> Reply {
    with_headers(StatusCode::OK, media_type, "no-store", Bytes::new()).map(|_| content)
}

/// Returns the host's own answer.
pub(crate) fn of_host(answer: Response<Bytes>) -> Reply {
    answer.map(whole)
}

/// Redirects to another page of the dashboard.
pub(crate) fn see_other(path: &str) -> Reply {
    let mut reply = with_headers(StatusCode::SEE_OTHER, "text/plain", "no-store", Bytes::new());
    if let Ok(path) = HeaderValue::try_from(path) {
        reply.headers_mut().insert(LOCATION, path);
    }
    reply
}

/// Returns the text with a capital letter and a full stop.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    let stop = if text.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{first}{}{stop}", letters.as_str())
}

fn with_headers(status: StatusCode, media_type: &'static str, caching: &'static str, content: Bytes) -> Reply {
    let mut reply = Response::new(whole(content));
    *reply.status_mut() = status;
    for (name, value) in [
        (CONTENT_TYPE, media_type),
        (CACHE_CONTROL, caching),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
    ] {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    reply
}
