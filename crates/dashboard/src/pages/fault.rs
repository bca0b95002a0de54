//! The page that shows a fault.

use doorward_auth::ManageError;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

use super::message::Message;
use crate::caller::Caller;
use crate::page_error::PageError;
#[cfg(any(feature = "oidc", feature = "passkeys"))]
use crate::page_error::SignInError;
use crate::reply::{self, Reply, sentence};
use crate::state::Parts;

/// Returns a page that names the fault and the next step. It has the frame of the person who is signed in.
pub(crate) fn page(parts: &Parts, who: Option<&Caller>, fault: &PageError) -> Reply {
    let (status, title) = match fault {
        PageError::SignedOut(_) if parts.visitors.is_some() => (StatusCode::UNAUTHORIZED, "Sign in first"),
        PageError::SignedOut(_) => (StatusCode::UNAUTHORIZED, "You are signed out"),
        // The page loads itself again, so that the browser sends the cookie.
        PageError::CrossSiteNavigation => (StatusCode::OK, "One moment"),
        PageError::CrossSite | PageError::ForeignForm => (StatusCode::FORBIDDEN, "Not from here"),
        PageError::NotFound => (StatusCode::NOT_FOUND, "Nothing here"),
        #[cfg(feature = "oidc")]
        PageError::Identity(error) => {
            tracing::warn!(error = error as &dyn std::error::Error, "a sign-in through the identity provider failed");
            (error.status(), "You are not signed in")
        }
        #[cfg(feature = "passkeys")]
        PageError::NoPasskey(error) => {
            tracing::warn!(error = error as &dyn std::error::Error, "a passkey cannot be added");
            (error.status(), "That cannot be done")
        }
        #[cfg(feature = "passkeys")]
        PageError::Passkey(error) => {
            tracing::warn!(error = error as &dyn std::error::Error, "a sign-in by a passkey failed");
            (error.status(), "You are not signed in")
        }
        PageError::Limited(problem) => (problem.code().status(), "Not now"),
        PageError::Field(_) | PageError::NoForm => (StatusCode::BAD_REQUEST, "That cannot be done"),
        PageError::Issue(ManageError::Store(error)) => {
            tracing::error!(error = error as &dyn std::error::Error, "the store failed");
            (StatusCode::SERVICE_UNAVAILABLE, "Not now")
        }
        PageError::Issue(ManageError::NoSuchKey | ManageError::NoSuchOrganization | ManageError::NoSuchOrigin) => {
            (StatusCode::NOT_FOUND, "Nothing here")
        }
        PageError::Issue(_) => (StatusCode::CONFLICT, "That cannot be done"),
    };
    let text = match fault {
        PageError::Issue(ManageError::Store(_)) => {
            "The store does not answer. If you changed something, check whether it was done before you try again."
                .to_owned()
        }
        PageError::SignedOut(_) if parts.visitors.is_some() => "You are not signed in here.".to_owned(),
        PageError::SignedOut(_) => {
            "Your session has ended, or there was none. An operator signs in by a link that works once:".to_owned()
        }
        other => sentence(&other.to_string()),
    };
    let mut reply = reply::page(status, &Message { parts, who, title, text: &text, fault });
    #[cfg(feature = "oidc")]
    if let PageError::Identity(_) = fault {
        reply.extensions_mut().insert(SignInError::Provider);
    }
    #[cfg(feature = "passkeys")]
    if let PageError::Passkey(_) = fault {
        reply.extensions_mut().insert(SignInError::Passkey);
    }
    if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    reply
}
