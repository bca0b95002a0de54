//! `POST /v1/organizations/{organization}/access-keys/{key}/release` `{"locator"}`: ends the report that a secret of the key has
//! leaked. A secret in quarantine works again. Another report begins again.
//!
//! Answers 200 with a receipt. Errors: 404 `not_found`; 409 `conflict` if no report of the secret waits.

use doorward_auth::ManageError;
use doorward_types::Locator;
use serde::Deserialize;

use super::operator_call::OperatorCall;
use crate::answer::{self, HandlerResult};
use crate::body::JsonBody;
use crate::problem::change_failed;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Release {
    locator: Locator,
}

impl JsonBody for Release {
    const DESCRIPTION: &'static str = r#"{"locator": string}"#;
}

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let (issuer, organization, change) = (&call.state.issuer, call.organization()?, call.change()?);
    let key = call.id("key", ManageError::NoSuchKey)?;
    let Release { locator } = call.body().await?;
    let receipt = issuer.release(organization, key, locator, &change).await.map_err(change_failed)?;
    answer::ok(&receipt)
}
