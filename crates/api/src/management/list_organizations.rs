//! `GET /v1/organizations?limit=&cursor=`: lists the organizations, newest first.

use doorward_auth::OperatorPrincipal;

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::cursor;
use crate::problem::change_failed;
use crate::shapes::OrganizationShape;
use crate::state::State;

pub(super) async fn handle(state: &State, management: &OperatorPrincipal, call: &Call) -> Answer {
    let page = cursor::page(call.uri())?;
    let rows = state.issuer.organizations(management, cursor::one_more(&page)).await.map_err(change_failed)?;
    answer::ok(&cursor::list(&page, rows, |found| found.id.to_string(), OrganizationShape::from))
}
