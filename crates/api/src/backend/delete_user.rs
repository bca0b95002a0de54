//! `DELETE /v1/registered-users/{user}`: deletes a registered user, and the credentials with it, which are revoked.
//!
//! Answers 204. Errors: 404 `not_found`.

use super::backend_call::BackendCall;
use crate::answer::{self, HandlerResult};
use crate::users;

pub(super) async fn handle(call: BackendCall<'_>) -> HandlerResult {
    users::delete(call.state, &call.scope(), call.user()?, &call.attribution()).await?;
    Ok(answer::no_content())
}
