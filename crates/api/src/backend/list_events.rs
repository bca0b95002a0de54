//! `GET /v1/audit-events?limit=&cursor=&since=&until=&action=&actor=&key=`: lists the audit log of the key's own
//! environment, newest first.
//!
//! `since` and `until` are times such as `2026-11-24T13:00:00Z`, or dates. Errors: 429 `too_many_requests` and 503
//! `overloaded` if too many filtered lists are under way.

use super::backend_call::BackendCall;
use crate::answer::HandlerResult;
use crate::budget::Holder;
use crate::{cursor, events};

pub(super) async fn handle(call: BackendCall<'_>) -> HandlerResult {
    let (page, parameters) = cursor::query(call.uri(), &events::PARAMETERS)?;
    events::list(call.state, Holder::Key(call.principal.key_id()), &call.scope(), page, &parameters).await
}
