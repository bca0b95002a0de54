//! Answers, and the headers that all of them have.

use askama::Template;
use bytes::Bytes;
use doorward_auth::IssueError;
use doorward_http::Problem;
use doorward_key::RandomError;
use doorward_store::StoreError;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, RETRY_AFTER};
use http::header::{X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full};

#[cfg(feature = "oidc")]
use crate::SignInRefused;
use crate::assets::Asset;
use crate::pages::message::Message;
use crate::{Content, Parts};

pub(crate) type Reply = Response<Content>;

/// Why there is another page than was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// Another site sent the form, or nobody can tell that it did not.
    #[error("this form was not sent by this page, or your browser does not say so; nothing was changed")]
    CrossSite,
    /// A field of a form or a query is not as it should be.
    #[error("the field `{0}` is not as it should be; nothing was changed")]
    Field(&'static str),
    /// Another site led here: the cookie stayed behind.
    #[error("go on to the page")]
    FromElsewhere,
    /// The identity provider did not say who it is.
    #[cfg(feature = "oidc")]
    #[error(transparent)]
    Identity(#[from] crate::identity::IdentityFault),
    /// The core refused.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The host has as much of this under way as it takes.
    #[error("{}", .0.detail())]
    Limited(Problem),
    /// What came is no form, is too long, or did not arrive.
    #[error("the form did not arrive whole; nothing was changed")]
    NoForm,
    /// No such page, or no such thing.
    #[error("there is nothing at this address")]
    NotFound,
    /// Nobody is signed in.
    #[error("sign in first")]
    SignedOut,
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Issue(IssueError::Store(error))
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        Self::Limited(problem)
    }
}

impl From<RandomError> for Fault {
    fn from(error: RandomError) -> Self {
        Self::Issue(error.into())
    }
}

/// No script, style or picture but ours; no text that a script could turn into markup; no frame around it; no form to elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// What a page like this never needs.
const PERMISSIONS: &str = "camera=(), geolocation=(), microphone=(), payment=(), usb=()";

/// A page with this status.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> Reply {
    match template.render() {
        Ok(text) => with_headers(status, "text/html; charset=utf-8", "no-store", text.into()),
        Err(error) => {
            tracing::error!(%error, "a page cannot be written");
            with_headers(
                StatusCode::INTERNAL_SERVER_ERROR,
                "text/plain",
                "no-store",
                "The page cannot be written.".into(),
            )
        }
    }
}

pub(crate) fn asset(asset: Asset) -> Reply {
    let caching = "public, max-age=31536000, immutable";
    with_headers(StatusCode::OK, asset.media_type, caching, Bytes::from_static(asset.content.as_bytes()))
}

/// A file to keep, which is written while it goes out.
pub(crate) fn file(media_type: &'static str, content: Content) -> Reply {
    with_headers(StatusCode::OK, media_type, "no-store", Bytes::new()).map(|_| content)
}

/// On to another page of ours.
pub(crate) fn see_other(path: &str) -> Reply {
    let mut reply = with_headers(StatusCode::SEE_OTHER, "text/plain", "no-store", Bytes::new());
    if let Ok(path) = HeaderValue::try_from(path) {
        reply.headers_mut().insert(LOCATION, path);
    }
    reply
}

/// A page that says what went wrong, and where to go from there.
pub(crate) fn fault(parts: &Parts, fault: &Fault) -> Reply {
    let (status, title) = match fault {
        Fault::SignedOut => (StatusCode::UNAUTHORIZED, "You are signed out"),
        // Whatever led here, the page itself asks again.
        Fault::FromElsewhere => (StatusCode::OK, "One moment"),
        Fault::CrossSite => (StatusCode::FORBIDDEN, "Not from here"),
        Fault::NotFound => (StatusCode::NOT_FOUND, "Nothing here"),
        #[cfg(feature = "oidc")]
        Fault::Identity(error) => {
            tracing::warn!(error = error as &dyn std::error::Error, "an identity provider signed nobody in");
            (error.status(), "You are not signed in")
        }
        Fault::Limited(problem) => (problem.code().status(), "Not now"),
        Fault::Field(_) | Fault::NoForm => (StatusCode::BAD_REQUEST, "That cannot be done"),
        Fault::Issue(IssueError::Store(error)) => {
            tracing::error!(error = error as &dyn std::error::Error, "the store failed");
            (StatusCode::SERVICE_UNAVAILABLE, "Not now")
        }
        Fault::Issue(IssueError::NoSuchKey | IssueError::NoSuchOrganization | IssueError::NoSuchOrigin) => {
            (StatusCode::NOT_FOUND, "Nothing here")
        }
        Fault::Issue(_) => (StatusCode::CONFLICT, "That cannot be done"),
    };
    let text = match fault {
        Fault::Issue(IssueError::Store(_)) => {
            "The store does not answer. If you changed something, look whether it was done before you try again."
                .to_owned()
        }
        Fault::SignedOut => {
            "Your session has ended, or there was none. An operator signs in by a link that works once:".to_owned()
        }
        other => sentence(&other.to_string()),
    };
    let mut reply = page(status, &Message { parts, title, text: &text, fault });
    #[cfg(feature = "oidc")]
    if let Fault::Identity(_) = fault {
        reply.extensions_mut().insert(SignInRefused::Provider);
    }
    if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    reply
}

/// With a capital and a full stop.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    let stop = if text.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{first}{}{stop}", letters.as_str())
}

fn with_headers(status: StatusCode, media_type: &'static str, caching: &'static str, content: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(content).map_err(|never| match never {}).boxed_unsync());
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
