//! `DELETE /v1/organizations/{organization}/production-key/stage`: withdraws the next production key.
//!
//! Answers 200 with a receipt. Errors: 404 `not_found` if no key is staged.

use super::operator_call::OperatorCall;
use crate::answer::{self, HandlerResult};
use crate::problem::change_failed;

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let change = call.change()?;
    answer::ok(&call.state.issuer.unstage(call.organization()?, &change).await.map_err(change_failed)?)
}
