//! `GET /v1/whoami`: shows the key's organization and environment.
//!
//! Answers 200 `{"organization":{"id","name"},"environment","key":{"id","name","locator","generation"}}`.

use super::backend_call::BackendCall;
use crate::answer::{self, HandlerResult};
use crate::views::WhoAmI;

pub(super) async fn handle(call: BackendCall<'_>) -> HandlerResult {
    answer::ok(&WhoAmI::from(&call.principal))
}
