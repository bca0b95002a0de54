//! `GET /v1/registered-users/{user}/credentials/{connector}`: tells when a credential was kept, and never the secret.
//!
//! Errors: 404 `not_found`.

use doorward_store::Scope;
use matchit::Params;

use super::credential::{self, credentials};
use crate::answer::{self, Answer};
use crate::problem::{absent, store_failed};
use crate::shapes::CredentialShape;
use crate::state::State;

pub(super) async fn handle(state: &State, scope: &Scope, params: &Params<'_, '_>) -> Answer {
    let found = credentials(state).get(scope, &credential::key(params, scope)?).await.map_err(store_failed)?;
    let credential = found.ok_or_else(|| absent("credential", scope.environment()))?;
    answer::ok(&CredentialShape::from(credential))
}
