//! `GET /v1/link-sessions/{session}`: shows the progress of a link session of the key's own environment.
//!
//! Answers 200 `{"id","registered_user_id","connector","status","error"?,"provider_error"?,"expires_at"}`, where `status` is
//! `begun`, `pending`, `complete`, `failed` or `expired`. Errors: 404 `not_found`.

use doorward_records::{LinkSession, LinkStatus};
use doorward_types::{LinkSessionId, RegisteredUserId, Timestamp};
use serde::Serialize;

use super::backend_call::BackendCall;
use crate::answer::{self, HandlerResult};
use crate::problem::link_failed;

/// The progress of a link session.
#[derive(Serialize)]
pub(super) struct LinkSessionView {
    id: LinkSessionId,
    registered_user_id: RegisteredUserId,
    connector: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_error: Option<String>,
    expires_at: Timestamp,
}

impl From<LinkSession> for LinkSessionView {
    fn from(session: LinkSession) -> Self {
        let LinkSession { id, registered_user, connector, status, error, provider_error, expires_at, .. } = session;
        let status = match status {
            // A backend has the same to do in each of them: to wait.
            LinkStatus::Begun | LinkStatus::Started | LinkStatus::Exchanging => LinkStatus::Begun,
            other => other,
        };
        Self {
            id,
            registered_user_id: registered_user,
            connector: connector.to_string(),
            status: status.as_str(),
            error,
            provider_error,
            expires_at,
        }
    }
}

pub(super) async fn handle(call: BackendCall<'_>) -> HandlerResult {
    let scope = &call.scope();
    let session = call.state.linker()?.session(scope, call.session()?).await;
    answer::ok(&LinkSessionView::from(session.map_err(|error| link_failed(error, scope.environment()))?))
}
