//! `GET /healthz`: tells that the process answers. Always 200 `{"status":"ok"}`.

use crate::answer::{self, Answer};

pub(super) fn handle() -> Answer {
    answer::ok(&serde_json::json!({"status": "ok"}))
}
