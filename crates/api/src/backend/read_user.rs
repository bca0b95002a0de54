//! `GET /v1/registered-users/{user}`: shows a registered user. Errors: 404 `not_found`.

use doorward_store::Scope;
use matchit::Params;

use super::path::user;
use crate::answer::{self, Answer};
use crate::state::State;
use crate::users;

pub(super) async fn handle(state: &State, scope: &Scope, params: &Params<'_, '_>) -> Answer {
    answer::ok(&users::find(state, scope, user(params, scope)?).await?)
}
