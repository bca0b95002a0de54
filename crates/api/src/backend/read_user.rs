//! `GET /v1/registered-users/{user}`: shows a registered user. Errors: 404 `not_found`.

use super::backend_call::BackendCall;
use crate::answer::{self, HandlerResult};
use crate::users;

pub(super) async fn handle(call: BackendCall<'_>) -> HandlerResult {
    answer::ok(&users::find(call.state, &call.scope(), call.user()?).await?)
}
