//! `DELETE /v1/registered-users/{user}/credentials/{connector}`: deletes a credential. A linked account is revoked.
//!
//! Answers 204. Errors: 404 `not_found`.

use super::backend_call::BackendCall;
use super::credential::{self, credentials};
use crate::answer::{self, HandlerResult};
use crate::problem::{absent, store_failed};
use doorward_audit::Action;

pub(super) async fn handle(call: BackendCall<'_>) -> HandlerResult {
    let (state, scope, key) = (call.state, &call.scope(), call.credential()?);
    let event = credential::event(state, Action::CredentialRemoved, scope, &key, &call.attribution());
    match credentials(state).delete(scope, &key, event).await.map_err(store_failed)? {
        true => {
            state.revoke_soon();
            Ok(answer::no_content())
        }
        false => Err(absent("credential", scope.environment())),
    }
}
