//! `POST /v1/organizations/{organization}/access-keys` `{"name"}`: makes a test key, which is shown once.
//!
//! Answers 201 `{"id","environment","name","locator","value","receipt"}`. Errors: 404 `not_found`; 409 `already_done` and 422
//! `idempotency_key_reused`, by the header `Idempotency-Key`.

use doorward_auth::OperatorPrincipal;
use matchit::Params;

use super::input::NewName;
use crate::answer::{self, Answer};
use crate::body;
use crate::call::{Call, organization};
use crate::problem::change_failed;
use crate::shapes::CreatedShape;
use crate::state::State;

pub(super) async fn handle(
    state: &State,
    management: &OperatorPrincipal,
    params: &Params<'_, '_>,
    call: Call,
) -> Answer {
    let organization = organization(params)?;
    let request = call.change_request(management)?;
    let NewName { name } = body::json(state, call).await?;
    let made = state.issuer.create(organization, name, &request).await.map_err(change_failed)?;
    answer::created(&CreatedShape::from(&made))
}
