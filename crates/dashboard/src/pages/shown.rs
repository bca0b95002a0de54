//! The only answer with a value.

use askama::Template;

use super::Shell;
use super::said::RevealedKey;
use crate::caller::Caller;
use crate::reply::{self, Reply};
use crate::state::Parts;

#[derive(Template)]
#[template(path = "shown.html")]
struct Shown<'a> {
    shell: Shell<'a>,
    /// The page to go back to.
    path: &'a str,
    shown: RevealedKey,
}

pub(crate) fn page(parts: &Parts, who: &Caller, path: &str, shown: RevealedKey) -> Reply {
    reply::page_with_secret(&Shown { shell: Shell::of(parts, who), path, shown })
}
