//! `DELETE /v1/organizations/{organization}/access-keys/{key}`: deletes a test key.
//!
//! Answers 200 with a receipt. Errors: 404 `not_found`; 409 `production_key_required` for a production key.

use doorward_auth::ManageError;

use super::operator_call::OperatorCall;
use crate::answer::{self, HandlerResult};
use crate::problem::change_failed;

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let organization = call.organization()?;
    let key = call.id("key", ManageError::NoSuchKey)?;
    let change = call.change()?;
    answer::ok(&call.state.issuer.delete(organization, key, &change).await.map_err(change_failed)?)
}
