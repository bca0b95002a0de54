//! `DELETE /v1/organizations/{organization}/allowed-origins/{origin}`: allows no more callbacks to an origin.
//!
//! Answers 200 with a receipt. Errors: 404 `not_found`.

use doorward_auth::{IssueError, OperatorPrincipal};
use matchit::Params;

use crate::answer::{self, Answer};
use crate::call::{Call, id, organization};
use crate::problem::change_failed;
use crate::state::State;

pub(super) async fn handle(
    state: &State,
    management: &OperatorPrincipal,
    params: &Params<'_, '_>,
    call: &Call,
) -> Answer {
    let organization = organization(params)?;
    let entry = id(params, "origin", IssueError::NoSuchOrigin)?;
    let request = call.change_request(management)?;
    answer::ok(&state.issuer.disallow_origin(organization, entry, &request).await.map_err(change_failed)?)
}
