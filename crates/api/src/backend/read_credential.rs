//! `GET /v1/registered-users/{user}/credentials/{connector}`: tells when a credential was kept, and never the secret.
//!
//! Errors: 404 `not_found`.

use super::backend_call::BackendCall;
use super::credential::credentials;
use crate::answer::{self, HandlerResult};
use crate::problem::{absent, store_failed};
use crate::views::CredentialView;

pub(super) async fn handle(call: BackendCall<'_>) -> HandlerResult {
    let scope = &call.scope();
    let found = credentials(call.state).get(scope, &call.credential()?).await.map_err(store_failed)?;
    let credential = found.ok_or_else(|| absent("credential", scope.environment()))?;
    answer::ok(&CredentialView::from(credential))
}
