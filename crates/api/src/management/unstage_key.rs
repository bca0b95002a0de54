//! `DELETE /v1/organizations/{organization}/production-key/stage`: withdraws the next production key.
//!
//! Answers 200 with a receipt. Errors: 404 `not_found` if no key is staged.

use doorward_auth::OperatorPrincipal;
use matchit::Params;

use crate::answer::{self, Answer};
use crate::call::{Call, organization};
use crate::problem::change_failed;
use crate::state::State;

pub(super) async fn handle(
    state: &State,
    management: &OperatorPrincipal,
    params: &Params<'_, '_>,
    call: &Call,
) -> Answer {
    let request = call.change_request(management)?;
    answer::ok(&state.issuer.unstage(organization(params)?, &request).await.map_err(change_failed)?)
}
