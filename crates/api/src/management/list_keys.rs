//! `GET /v1/organizations/{organization}/access-keys`: lists the keys of an organization with their secrets' use.
//!
//! Answers 200 `{"data":[{"id","environment","name","created_at","created_by","rotation_due_at"?,"secrets":[{"locator",
//! "generation","state","created_at","last_used_at","uses_last_hour"}]}]}`. Errors: 404 `not_found`.

use super::operator_call::OperatorCall;
use crate::answer::{self, HandlerResult};
use crate::problem::change_failed;
use crate::views::{AccessKeyView, List};

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let state = call.state;
    let organization = call.organization()?;
    let keys = state.issuer.access_keys(call.operator, organization).await.map_err(change_failed)?;
    let usage = state.issuer.usage(call.operator, &keys).await.map_err(change_failed)?;
    let data = keys.into_iter().map(|found| AccessKeyView::new(found, &usage)).collect();
    answer::ok(&List::whole(data))
}
