//! The page that says what went wrong.

use doorward_auth::IssueError;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

use super::message::Message;
use crate::fault::Fault;
#[cfg(feature = "oidc")]
use crate::fault::SignInRefused;
use crate::reply::{self, Reply, sentence};
use crate::state::Parts;

/// A page that says what went wrong, and where to go from there.
pub(crate) fn page(parts: &Parts, fault: &Fault) -> Reply {
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
    let mut reply = reply::page(status, &Message { parts, title, text: &text, fault });
    #[cfg(feature = "oidc")]
    if let Fault::Identity(_) = fault {
        reply.extensions_mut().insert(SignInRefused::Provider);
    }
    if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    reply
}
