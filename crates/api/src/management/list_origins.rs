//! `GET /v1/organizations/{organization}/allowed-origins`: lists the origins that callbacks may go to. Errors: 404 `not_found`.

use doorward_auth::OperatorPrincipal;
use matchit::Params;

use crate::answer::{self, Answer};
use crate::call::organization;
use crate::problem::change_failed;
use crate::shapes::{AllowedOriginShape, List};
use crate::state::State;

pub(super) async fn handle(state: &State, management: &OperatorPrincipal, params: &Params<'_, '_>) -> Answer {
    let organization = state.issuer.organization(management, organization(params)?).await.map_err(change_failed)?;
    let entries = state.issuer.allowed_origins(management, &organization).await.map_err(change_failed)?;
    let data: Vec<_> = entries.iter().map(|entry| AllowedOriginShape::new(entry, None)).collect();
    answer::ok(&List { data, next_cursor: None })
}
