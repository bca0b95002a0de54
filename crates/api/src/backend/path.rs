//! The ids in paths. A text that cannot be an id names a record that does not exist.

use doorward_http::Problem;
use doorward_link::LinkError;
use doorward_store::Scope;
use doorward_types::{LinkSessionId, RegisteredUserId};
use matchit::Params;

use crate::problem::{absent, link_failed};

pub(super) fn user(params: &Params<'_, '_>, scope: &Scope) -> Result<RegisteredUserId, Problem> {
    let id = params.get("user").and_then(|text| text.parse().ok());
    id.ok_or_else(|| absent("registered user", scope.environment()))
}

pub(super) fn session(params: &Params<'_, '_>, scope: &Scope) -> Result<LinkSessionId, Problem> {
    let id = params.get("session").and_then(|text| text.parse().ok());
    id.ok_or_else(|| link_failed(LinkError::NoSuchSession, scope.environment()))
}
