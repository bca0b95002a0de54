//! `POST /v1/organizations/{organization}/production-key/stage` `{"digest"?}`: makes the next production key, which is shown once. If its
//! digest is given, as `LOCATOR:SHA256`, it was made elsewhere: no value is shown, and a repeat answers 200 with the same key.
//!
//! Answers 201 `{"locator","generation","value","receipt"}`. Errors: 404 `not_found`; 409 `already_staged`, `already_done`;
//! 422 `idempotency_key_reused`.

use serde::Deserialize;

use super::operator_call::OperatorCall;
use crate::answer::{self, HandlerResult};
use crate::body::{self, JsonBody};
use crate::problem::change_failed;
use crate::views::StagedView;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct NextKey {
    digest: Option<String>,
}

impl JsonBody for NextKey {
    const DESCRIPTION: &'static str = r#"{"digest"?: "LOCATOR:SHA256"}, or no body at all"#;
}

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let state = call.state;
    let organization = call.organization()?;
    let change = call.change()?;
    let NextKey { digest } = call.body_or_default().await?;
    if let Some(digest) = digest {
        let offered = body::offered(&digest)?;
        let taken = state.issuer.stage_offered(organization, offered, &change).await.map_err(change_failed)?;
        return answer::taken(&taken);
    }
    let staged = state.issuer.stage(organization, &change).await.map_err(change_failed)?;
    answer::created(&StagedView::from(&staged))
}
