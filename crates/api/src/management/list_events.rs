//! `GET /v1/organizations/{organization}/audit-events?environment=&limit=&cursor=&since=&until=&action=&actor=&key=`: lists
//! one of the organization's two audit logs, newest first.
//!
//! Errors: 404 `not_found`; 429 `too_many_requests` and 503 `overloaded` if too many filtered lists are under way.

use super::operator_call::{ENVIRONMENT, OperatorCall};
use crate::answer::HandlerResult;
use crate::{cursor, events};

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let organization = call.organization()?;
    let names = [&[ENVIRONMENT], &events::PARAMETERS[..]].concat();
    let (page, parameters) = cursor::query(call.uri(), &names)?;
    let scope = call.chosen(organization, &parameters).await?;
    events::list(call.state, call.holder(), &scope, page, &parameters).await
}
