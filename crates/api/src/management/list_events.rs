//! `GET /v1/organizations/{organization}/audit-events?environment=&limit=&cursor=&since=&until=&action=&actor=&key=`: lists
//! one of the organization's two audit logs, newest first.
//!
//! Errors: 404 `not_found`; 429 `too_many_requests` and 503 `overloaded` if too many filtered lists are under way.

use doorward_auth::OperatorPrincipal;
use matchit::Params;

use super::input::holder;
use crate::answer::Answer;
use crate::call::{Call, organization};
use crate::state::{ENVIRONMENT, State};
use crate::{cursor, events};

pub(super) async fn handle(
    state: &State,
    management: &OperatorPrincipal,
    params: &Params<'_, '_>,
    call: &Call,
) -> Answer {
    let organization = organization(params)?;
    let names = [&[ENVIRONMENT], &events::PARAMETERS[..]].concat();
    let (page, parameters) = cursor::query(call.uri(), &names)?;
    let scope = state.chosen(management, organization, &parameters).await?;
    events::list(state, holder(management), &scope, page, &parameters).await
}
