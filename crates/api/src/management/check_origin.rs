//! `POST /v1/organizations/{organization}/allowed-origins/check` `{"url"}`: tells whether a callback may go to a URL.
//!
//! Answers 200 `{"allowed","origin"?,"reason"?}`. Errors: 404 `not_found`; 503 `not_current`.

use doorward_auth::CallbackError;
use serde::Deserialize;

use super::operator_call::OperatorCall;
use crate::answer::{self, HandlerResult};
use crate::body::JsonBody;
use crate::problem::{change_failed, origin_refused};
use crate::views::OriginCheckView;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Callback {
    url: String,
}

impl JsonBody for Callback {
    const DESCRIPTION: &'static str = r#"{"url": string}"#;
}

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let state = call.state;
    let organization = call.organization()?;
    state.issuer.organization(call.operator, organization).await.map_err(change_failed)?;
    let Callback { url } = call.body().await?;
    let checked = match state.verifier.check_origin(organization, &url) {
        Ok(entry) => Ok(entry),
        Err(CallbackError::Refused(refusal)) => Err(refusal),
        Err(refusal) => return Err(origin_refused(refusal)),
    };
    answer::ok(&OriginCheckView::new(&checked))
}
