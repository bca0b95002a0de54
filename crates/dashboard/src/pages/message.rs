//! Pages with a single message.

use askama::Template;
use http::StatusCode;

use super::Shell;
use crate::caller::Caller;
use crate::page_error::{PageError, SignInError, UnsentForm};
use crate::reply::{self, Reply};
use crate::state::Parts;

/// A title, a sentence, and the next step.
#[derive(Template)]
#[template(path = "message.html")]
pub(crate) struct Message<'a> {
    pub(crate) parts: &'a Parts,
    /// The person who is signed in, if there is one.
    pub(crate) who: Option<&'a Caller>,
    pub(crate) title: &'a str,
    pub(crate) text: &'a str,
    pub(crate) fault: &'a PageError,
}

impl Message<'_> {
    fn shell(&self) -> Shell<'_> {
        self.who.map_or_else(|| Shell::of_nobody(self.parts), |who| Shell::of(self.parts, who))
    }

    /// Returns whether the reader needs a sign-in link.
    fn wants_link(&self) -> bool {
        let is_signed_out = match self.fault {
            PageError::SignedOut(_) => true,
            #[cfg(feature = "passkeys")]
            PageError::Passkey(_) => true,
            _ => false,
        };
        is_signed_out && self.parts.visitors.is_none()
    }

    /// Returns the form that the reader sent without a session.
    fn unsent(&self) -> Option<&UnsentForm> {
        match self.fault {
            PageError::SignedOut(unsent) => unsent.as_ref(),
            _ => None,
        }
    }

    /// Returns the name of an identity provider to sign in with.
    fn provider(&self) -> Option<&str> {
        self.parts.provider_name().filter(|_| !self.goes_on() && self.who.is_none() && self.parts.visitors.is_none())
    }

    /// Returns the origin at which passkeys sign in.
    fn passkey_origin(&self) -> Option<&str> {
        self.parts.passkey_origin().filter(|_| self.wants_link())
    }

    fn goes_on(&self) -> bool {
        matches!(self.fault, PageError::CrossSiteNavigation)
    }
}

pub(crate) fn signed_out(parts: &Parts) -> Message<'_> {
    let text = "This session is over. To sign in again, an operator needs another link:";
    Message { parts, who: None, title: "Signed out", text, fault: &PageError::SignedOut(None) }
}

pub(crate) fn dead_link(parts: &Parts) -> Reply {
    let text = "It was used, or ten minutes have passed. An operator signs in by a link that works once:";
    let page =
        Message { parts, who: None, title: "This link no longer works", text, fault: &PageError::SignedOut(None) };
    let mut reply = reply::page(StatusCode::GONE, &page);
    reply.extensions_mut().insert(SignInError::Link);
    reply
}
