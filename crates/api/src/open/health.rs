//! `GET /healthz`: tells that the process answers. Always 200 `{"status":"ok"}`.

use super::open_call::OpenCall;
use crate::answer::{self, HandlerResult};

pub(super) async fn handle(_: OpenCall<'_>) -> HandlerResult {
    answer::ok(&serde_json::json!({"status": "ok"}))
}
