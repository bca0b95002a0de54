//! `GET /v1/audit-events?limit=&cursor=&since=&until=&action=&actor=&key=`: lists the audit log of the key's own
//! environment, newest first.
//!
//! `since` and `until` are times such as `2026-11-24T13:00:00Z`, or dates. Errors: 429 `too_many_requests` and 503
//! `overloaded` if too many filtered lists are under way.

use doorward_auth::Principal;

use crate::answer::Answer;
use crate::budget::Holder;
use crate::call::Call;
use crate::state::State;
use crate::{cursor, events};

pub(super) async fn handle(state: &State, principal: &Principal, call: Call) -> Answer {
    let (page, parameters) = cursor::query(call.uri(), &events::PARAMETERS)?;
    events::list(state, Holder::Key(principal.key_id()), &principal.scope(), page, &parameters).await
}
