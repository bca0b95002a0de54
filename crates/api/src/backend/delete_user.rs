//! `DELETE /v1/registered-users/{user}`: deletes a registered user, and the credentials with it, which are revoked.
//!
//! Answers 204. Errors: 404 `not_found`.

use doorward_auth::Principal;
use matchit::Params;

use super::path::user;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::state::State;
use crate::users;

pub(super) async fn handle(state: &State, principal: &Principal, params: &Params<'_, '_>, call: Call) -> Answer {
    let scope = &principal.scope();
    users::delete(state, scope, user(params, scope)?, &call.by(principal.attribution())).await?;
    Ok(answer::no_content())
}
