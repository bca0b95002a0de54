//! `GET /v1/organizations?limit=&cursor=`: lists the organizations, newest first.
//!
//! `q=` keeps the organizations with this text in their names. `name=` and `external_id=` find by the exact value; these lists have
//! one page.

use doorward_auth::ManageError;
use doorward_http::Problem;
use doorward_types::{ExternalId, Name};

use super::operator_call::OperatorCall;
use crate::answer::{self, HandlerResult};
use crate::code::Code;
use crate::cursor;
use crate::problem::change_failed;
use crate::views::OrganizationView;

const SEARCHES: [&str; 3] = ["external_id", "name", "q"];

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let (issuer, operator) = (&call.state.issuer, call.operator);
    let (page, searches) = cursor::query(call.uri(), &SEARCHES)?;
    let (external_id, name) = (searches.get::<ExternalId>("external_id")?, searches.get::<Name>("name")?);
    let next = cursor::one_more(&page);
    let found = match (external_id, name, searches.get::<String>("q")?) {
        (None, None, None) => issuer.organizations(operator, next).await,
        (Some(id), None, None) => match issuer.organization_by_external_id(operator, &id).await {
            Err(ManageError::NoSuchOrganization) => Ok(vec![]),
            found => found.map(|found| vec![found]),
        },
        (None, Some(name), None) => issuer.organizations_named(operator, &name, page.limit).await,
        (None, None, Some(text)) => issuer.organizations_containing(operator, &text, next).await,
        _ => return Err(Problem::new(Code::InvalidRequest, "search by one of `external_id`, `name` and `q`")),
    };
    let rows = found.map_err(change_failed)?;
    answer::ok(&cursor::list(&page, rows, |found| found.id.to_string(), OrganizationView::from))
}
