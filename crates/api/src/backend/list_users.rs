//! `GET /v1/registered-users?limit=&cursor=`: lists the registered users of the key's environment, newest first.
//!
//! Answers 200 `{"data":[…],"next_cursor"}`. Errors: 400 `invalid_request` for a parameter that is not as it should be.

use super::backend_call::BackendCall;
use crate::answer::{self, HandlerResult};
use crate::{cursor, users};

pub(super) async fn handle(call: BackendCall<'_>) -> HandlerResult {
    answer::ok(&users::page(call.state, &call.scope(), &cursor::page(call.uri())?).await?)
}
