//! `GET /v1/organizations/{organization}`: shows an organization. Errors: 404 `not_found`.

use super::operator_call::OperatorCall;
use crate::answer::{self, HandlerResult};
use crate::problem::change_failed;
use crate::views::OrganizationView;

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let found = call.state.issuer.organization(call.operator, call.organization()?).await.map_err(change_failed)?;
    answer::ok(&OrganizationView::from(found))
}
