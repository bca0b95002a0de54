//! `GET /v1/organizations/{organization}/access-keys`: lists the keys of an organization with their secrets' use.
//!
//! Answers 200 `{"data":[{"id","environment","name","created_at","created_by","rotation_due_at"?,"secrets":[{"locator",
//! "generation","state","created_at","last_used_at","uses_last_hour"}]}]}`. Errors: 404 `not_found`.

use doorward_auth::OperatorPrincipal;
use matchit::Params;

use crate::answer::{self, Answer};
use crate::call::organization;
use crate::problem::change_failed;
use crate::shapes::{AccessKeyShape, List};
use crate::state::State;

pub(super) async fn handle(state: &State, management: &OperatorPrincipal, params: &Params<'_, '_>) -> Answer {
    let organization = organization(params)?;
    let keys = state.issuer.access_keys(management, organization).await.map_err(change_failed)?;
    let usage = state.issuer.usage(management, &keys).await.map_err(change_failed)?;
    let data = keys.into_iter().map(|found| AccessKeyShape::new(found, &usage)).collect();
    answer::ok(&List { data, next_cursor: None })
}
