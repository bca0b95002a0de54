//! `DELETE /v1/organizations/{organization}/allowed-origins/{origin}`: allows no more callbacks to an origin.
//!
//! Answers 200 with a receipt. Errors: 404 `not_found`.

use doorward_auth::ManageError;

use super::operator_call::OperatorCall;
use crate::answer::{self, HandlerResult};
use crate::problem::change_failed;

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let organization = call.organization()?;
    let entry = call.id("origin", ManageError::NoSuchOrigin)?;
    let change = call.change()?;
    answer::ok(&call.state.issuer.disallow_origin(organization, entry, &change).await.map_err(change_failed)?)
}
