//! Pages that say one thing.

use askama::Template;
use http::StatusCode;

use super::Shell;
use crate::fault::{Fault, SignInRefused};
use crate::reply::{self, Reply};
use crate::state::Parts;

/// A title, a sentence, and where to go from there.
#[derive(Template)]
#[template(path = "message.html")]
pub(crate) struct Message<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) title: &'a str,
    pub(crate) text: &'a str,
    pub(crate) fault: &'a Fault,
}

impl Message<'_> {
    fn shell(&self) -> Shell<'_> {
        Shell { base: &self.parts.base, operator: None }
    }

    /// Whether a link to sign in by is what is missing.
    fn wants_link(&self) -> bool {
        matches!(self.fault, Fault::SignedOut)
    }

    /// Whom else to sign in with.
    fn provider(&self) -> Option<&str> {
        self.parts.provider_name().filter(|_| !self.goes_on())
    }

    fn goes_on(&self) -> bool {
        matches!(self.fault, Fault::FromElsewhere)
    }
}

pub(crate) fn signed_out(parts: &Parts) -> Message<'_> {
    let text = "This session is over. To come back, an operator needs another link:";
    Message { parts, title: "Signed out", text, fault: &Fault::SignedOut }
}

pub(crate) fn dead_link(parts: &Parts) -> Reply {
    let text = "It was used, or ten minutes have passed. An operator signs in by a link that works once:";
    let page = Message { parts, title: "This link works no more", text, fault: &Fault::SignedOut };
    let mut reply = reply::page(StatusCode::GONE, &page);
    reply.extensions_mut().insert(SignInRefused::Link);
    reply
}
