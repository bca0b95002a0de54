//! `DELETE /v1/organizations/{organization}/allowed-origins/{origin}`: allows no more callbacks to an origin.
//!
//! Answers 200 with a receipt. Errors: 404 `not_found`.

use doorward_auth::{IssueError, Management};
use matchit::Params;

use crate::answer::{self, Answer};
use crate::call::{Call, id, organization};
use crate::problem::change_failed;
use crate::state::State;

pub(super) async fn handle(state: &State, management: &Management, params: &Params<'_, '_>, call: &Call) -> Answer {
    let organization = organization(params)?;
    let entry = id(params, "origin", IssueError::NoSuchOrigin)?;
    let ask = call.ask(management)?;
    answer::ok(&state.issuer.disallow_origin(organization, entry, &ask).await.map_err(change_failed)?)
}
