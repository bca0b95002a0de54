//! `GET /v1/registered-users/{user}`: shows a registered user. Errors: 404 `not_found`.

use doorward_http::Problem;
use doorward_store::Scope;
use doorward_types::RegisteredUserId;
use matchit::Params;

use super::{user, users};
use crate::answer::{self, Answer};
use crate::problem::{absent, store_failed};
use crate::shapes::RegisteredUserShape;
use crate::state::State;

pub(super) async fn handle(state: &State, scope: &Scope, params: &Params<'_, '_>) -> Answer {
    answer::ok(&find(state, scope, user(params, scope)?).await?)
}

pub(crate) async fn find(state: &State, scope: &Scope, id: RegisteredUserId) -> Result<RegisteredUserShape, Problem> {
    let found = users(state).get(scope, &id).await.map_err(store_failed)?;
    found.map(RegisteredUserShape::from).ok_or_else(|| absent("registered user", scope.environment()))
}
