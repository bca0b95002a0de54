//! `POST /v1/organizations/{organization}/production-key/regenerate` `{"discard_staged"?}`: replaces the production key's
//! secret. A staged secret is promoted, else a fresh one is shown.
//!
//! Answers 200 `{"locator","generation","value"?,"receipt"}`. Errors: 404 `not_found`; 409 `conflict` if another operator
//! changed the key at the same moment, and `already_done`; 422 `idempotency_key_reused`.

use doorward_auth::StagedKey;
use serde::Deserialize;

use super::operator_call::OperatorCall;
use crate::answer::{self, HandlerResult};
use crate::body::JsonBody;
use crate::problem::change_failed;
use crate::views::RegeneratedView;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Regeneration {
    #[serde(default)]
    discard_staged: bool,
}

impl JsonBody for Regeneration {
    const DESCRIPTION: &'static str = r#"{"discard_staged"?: boolean}, or no body at all"#;
}

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let state = call.state;
    let organization = call.organization()?;
    let change = call.change()?;
    let Regeneration { discard_staged } = call.body_or_default().await?;
    let staged = if discard_staged { StagedKey::Discard } else { StagedKey::Promote };
    let regenerated = state.issuer.regenerate(organization, staged, &change).await.map_err(change_failed)?;
    answer::ok(&RegeneratedView::from(&regenerated))
}
