//! `DELETE /v1/organizations/{organization}`: closes an organization for good. All its keys are gone, and its data is erased after
//! a grace period, which the server's configuration sets. Its audit log stays.
//!
//! Answers 200 with a receipt. Errors: 404 `not_found`; 409 `conflict` if it is closed already.

use super::operator_call::OperatorCall;
use crate::answer::{self, HandlerResult};
use crate::problem::change_failed;

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let (state, change) = (call.state, call.change()?);
    let closed = state.issuer.close(call.organization()?, state.erase_after, &change).await;
    answer::ok(&closed.map_err(change_failed)?.receipt)
}
