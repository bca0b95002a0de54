//! `POST /v1/organizations/{organization}/production-key/regenerate` `{"discard_staged"?}`: replaces the production key's
//! secret. A staged secret is promoted, else a fresh one is shown.
//!
//! Answers 200 `{"locator","generation","value"?,"receipt"}`. Errors: 404 `not_found`; 409 `conflict` if another operator
//! changed the key at the same moment, and `already_done`; 422 `idempotency_key_reused`.

use doorward_auth::{OperatorPrincipal, StagedKey};
use matchit::Params;
use serde::Deserialize;

use crate::answer::{self, Answer};
use crate::body::{self, Shape};
use crate::call::{Call, organization};
use crate::problem::change_failed;
use crate::shapes::RegeneratedShape;
use crate::state::State;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Regeneration {
    #[serde(default)]
    discard_staged: bool,
}

impl Shape for Regeneration {
    const DESCRIPTION: &'static str = r#"{"discard_staged"?: boolean}, or no body at all"#;
}

pub(super) async fn handle(
    state: &State,
    management: &OperatorPrincipal,
    params: &Params<'_, '_>,
    call: Call,
) -> Answer {
    let organization = organization(params)?;
    let request = call.change_request(management)?;
    let Regeneration { discard_staged } = body::json_or_default(state, call).await?;
    let staged = if discard_staged { StagedKey::Discard } else { StagedKey::Promote };
    let regenerated = state.issuer.regenerate(organization, staged, &request).await.map_err(change_failed)?;
    answer::ok(&RegeneratedShape::from(&regenerated))
}
