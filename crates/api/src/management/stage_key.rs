//! `POST /v1/organizations/{organization}/production-key/stage`: makes the next production key, which is shown once.
//!
//! Answers 201 `{"locator","generation","value","receipt"}`. Errors: 404 `not_found`; 409 `already_staged`, `already_done`;
//! 422 `idempotency_key_reused`.

use serde::Deserialize;

use super::operator_call::OperatorCall;
use crate::answer::{self, HandlerResult};
use crate::body::JsonBody;
use crate::problem::change_failed;
use crate::views::StagedView;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl JsonBody for Nothing {
    const DESCRIPTION: &'static str = "{}, or no body at all";
}

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let state = call.state;
    let organization = call.organization()?;
    let change = call.change()?;
    let Nothing {} = call.body_or_default().await?;
    let staged = state.issuer.stage(organization, &change).await.map_err(change_failed)?;
    answer::created(&StagedView::from(&staged))
}
