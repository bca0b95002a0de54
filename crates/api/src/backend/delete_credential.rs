//! `DELETE /v1/registered-users/{user}/credentials/{connector}`: deletes a credential. A linked account is revoked.
//!
//! Answers 204. Errors: 404 `not_found`.

use doorward_audit::Action;
use doorward_auth::Principal;
use matchit::Params;

use super::credential::{self, credentials};
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::problem::{absent, store_failed};
use crate::state::State;

pub(super) async fn handle(state: &State, principal: &Principal, params: &Params<'_, '_>, call: Call) -> Answer {
    let scope = &principal.scope();
    let key = credential::key(params, scope)?;
    let by = call.by(principal.attribution());
    let event = credential::event(state, Action::CredentialRemoved, scope, &key, &by);
    match credentials(state).delete(scope, &key, event).await.map_err(store_failed)? {
        true => {
            state.linker.revoke_soon();
            Ok(answer::no_content())
        }
        false => Err(absent("credential", scope.environment())),
    }
}
