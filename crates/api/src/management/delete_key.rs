//! `DELETE /v1/organizations/{organization}/access-keys/{key}`: deletes a test key.
//!
//! Answers 200 with a receipt. Errors: 404 `not_found`; 409 `production_key_required` for a production key.

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
    let key = id(params, "key", IssueError::NoSuchKey)?;
    let request = call.change_request(management)?;
    answer::ok(&state.issuer.delete(organization, key, &request).await.map_err(change_failed)?)
}
