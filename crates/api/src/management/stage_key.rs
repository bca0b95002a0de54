//! `POST /v1/organizations/{organization}/production-key/stage`: makes the next production key, which is shown once.
//!
//! Answers 201 `{"locator","generation","value","receipt"}`. Errors: 404 `not_found`; 409 `already_staged`, `already_done`;
//! 422 `idempotency_key_reused`.

use doorward_auth::OperatorPrincipal;
use matchit::Params;
use serde::Deserialize;

use crate::answer::{self, Answer};
use crate::body::{self, Shape};
use crate::call::{Call, organization};
use crate::problem::change_failed;
use crate::shapes::StagedShape;
use crate::state::State;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl Shape for Nothing {
    const DESCRIPTION: &'static str = "{}, or no body at all";
}

pub(super) async fn handle(
    state: &State,
    management: &OperatorPrincipal,
    params: &Params<'_, '_>,
    call: Call,
) -> Answer {
    let organization = organization(params)?;
    let request = call.change_request(management)?;
    let Nothing {} = body::json_or_default(state, call).await?;
    let staged = state.issuer.stage(organization, &request).await.map_err(change_failed)?;
    answer::created(&StagedShape::from(&staged))
}
