//! The end of the operator's session, for pages that are open. A look at it reads nothing else.

use askama::Template;
use http::StatusCode;

use super::Shell;
use crate::caller::Caller;
use crate::reply::{self, Reply};
use crate::state::Parts;

#[derive(Template)]
#[template(path = "session.html")]
struct SessionEnd<'a> {
    shell: Shell<'a>,
}

pub(crate) fn page(parts: &Parts, who: &Caller) -> Reply {
    reply::page(StatusCode::OK, &SessionEnd { shell: Shell::of(parts, who) })
}
