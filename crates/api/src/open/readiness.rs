//! `GET /readyz`: tells whether this node should get requests.
//!
//! Answers 200 `{"status":"ready"}`. Errors: 503 `not_current` if the node is stopping, or cannot prove that it is up to date.

use doorward_http::Problem;

use super::open_call::OpenCall;
use crate::answer::{self, HandlerResult};
use crate::code::Code;

pub(super) async fn handle(call: OpenCall<'_>) -> HandlerResult {
    if call.state.lifecycle.is_draining() {
        return Err(Problem::new(Code::NotCurrent, "this node is stopping"));
    }
    if call.state.is_ready() {
        answer::ok(&serde_json::json!({"status": "ready"}))
    } else {
        Err(Problem::new(Code::NotCurrent, "this node cannot prove at the moment that it is up to date"))
    }
}
