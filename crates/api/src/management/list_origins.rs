//! `GET /v1/organizations/{organization}/allowed-origins`: lists the origins that callbacks may go to. Errors: 404 `not_found`.

use super::operator_call::OperatorCall;
use crate::answer::{self, HandlerResult};
use crate::problem::change_failed;
use crate::views::{AllowedOriginView, List};

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let state = call.state;
    let organization = state.issuer.organization(call.operator, call.organization()?).await.map_err(change_failed)?;
    let entries = state.issuer.allowed_origins(call.operator, &organization).await.map_err(change_failed)?;
    let data: Vec<_> = entries.iter().map(|entry| AllowedOriginView::new(entry, None)).collect();
    answer::ok(&List::whole(data))
}
