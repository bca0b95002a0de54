//! `DELETE /v1/registered-users/{user}`: deletes a registered user, and the credentials with it, which are revoked.
//!
//! Answers 204. Errors: 404 `not_found`.

use doorward_audit::{Action, Attribution, Detail};
use doorward_auth::Principal;
use doorward_http::Problem;
use doorward_store::Scope;
use doorward_types::RegisteredUserId;
use matchit::Params;

use super::{user, users};
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::problem::{absent, store_failed};
use crate::state::State;

pub(super) async fn handle(state: &State, principal: &Principal, params: &Params<'_, '_>, call: Call) -> Answer {
    let scope = &principal.scope();
    delete(state, scope, user(params, scope)?, &call.by(principal.actor())).await?;
    Ok(answer::no_content())
}

pub(crate) async fn delete(
    state: &State,
    scope: &Scope,
    id: RegisteredUserId,
    by: &Attribution,
) -> Result<(), Problem> {
    let event = state.event(Action::RegisteredUserDeleted, id.to_string(), scope, by, Detail::default());
    match users(state).delete(scope, &id, event).await.map_err(store_failed)? {
        true => {
            state.linker.revoke_soon();
            Ok(())
        }
        false => Err(absent("registered user", scope.environment())),
    }
}
