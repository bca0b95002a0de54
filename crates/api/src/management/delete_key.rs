//! `DELETE /v1/organizations/{organization}/access-keys/{key}`: deletes a test key.
//!
//! Answers 200 with a receipt. Errors: 404 `not_found`; 409 `production_key_required` for a production key.

use doorward_auth::{IssueError, Management};
use matchit::Params;

use crate::answer::{self, Answer};
use crate::call::{Call, id, organization};
use crate::problem::change_failed;
use crate::state::State;

pub(super) async fn handle(state: &State, management: &Management, params: &Params<'_, '_>, call: &Call) -> Answer {
    let organization = organization(params)?;
    let key = id(params, "key", IssueError::NoSuchKey)?;
    let ask = call.ask(management)?;
    answer::ok(&state.issuer.delete(organization, key, &ask).await.map_err(change_failed)?)
}
