//! `POST /v1/organizations/{organization}/resume`: resumes a suspended organization. Its keys work again.
//!
//! Answers 200 with a receipt. Errors: 404 `not_found`; 409 `conflict` if it is not suspended, or closed.

use super::operator_call::OperatorCall;
use crate::answer::{self, HandlerResult};
use crate::problem::change_failed;

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let change = call.change()?;
    let updated = call.state.issuer.resume(call.organization()?, &change).await.map_err(change_failed)?;
    answer::ok(&updated.receipt)
}
