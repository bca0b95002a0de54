//! `GET /v1/organizations/{organization}`: shows an organization. Errors: 404 `not_found`.

use doorward_auth::OperatorPrincipal;
use matchit::Params;

use crate::answer::{self, Answer};
use crate::call::organization;
use crate::problem::change_failed;
use crate::shapes::OrganizationShape;
use crate::state::State;

pub(super) async fn handle(state: &State, management: &OperatorPrincipal, params: &Params<'_, '_>) -> Answer {
    let found = state.issuer.organization(management, organization(params)?).await.map_err(change_failed)?;
    answer::ok(&OrganizationShape::from(found))
}
