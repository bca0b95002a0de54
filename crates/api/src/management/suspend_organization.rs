//! `POST /v1/organizations/{organization}/suspend` `{"reason"?}`: suspends an organization. All its keys are refused with 403
//! `organization_suspended` until it is resumed. Its data stays.
//!
//! Answers 200 with a receipt. Errors: 404 `not_found`; 409 `conflict` if it is suspended already, or closed.

use doorward_types::Name;
use serde::Deserialize;

use super::operator_call::OperatorCall;
use crate::answer::{self, HandlerResult};
use crate::body::JsonBody;
use crate::problem::change_failed;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Suspension {
    reason: Option<Name>,
}

impl JsonBody for Suspension {
    const DESCRIPTION: &'static str =
        r#"{"reason"?: string}, where a reason is one printable line of at most 128 bytes"#;
}

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let (issuer, organization, change) = (&call.state.issuer, call.organization()?, call.change()?);
    let Suspension { reason } = call.body_or_default().await?;
    answer::ok(&issuer.suspend(organization, reason, &change).await.map_err(change_failed)?.receipt)
}
