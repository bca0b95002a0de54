//! `POST /v1/link-sessions` `{"registered_user_id","connector","callback_url"}`: begins to link a user's account.
//!
//! Answers 201 `{"id","start_url","authorize_url","expires_at"}`, where `authorize_url` is the former name of `start_url`.
//! Errors: 403 `unauthorized_origin` says which origin was seen, and what entry would allow it; 404 `not_found`.

use doorward_link::{BegunLink, LinkError, NewLink};
use doorward_types::{LinkSessionId, Timestamp};
use serde::{Deserialize, Serialize};

use super::backend_call::BackendCall;
use crate::answer::{self, HandlerResult};
use crate::body::JsonBody;
use crate::problem::link_failed;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewLinkSession {
    registered_user_id: String,
    connector: String,
    callback_url: String,
}

impl JsonBody for NewLinkSession {
    const DESCRIPTION: &'static str = r#"{"registered_user_id": string, "connector": string, "callback_url": string}"#;
}

#[derive(Serialize)]
struct BegunView {
    id: LinkSessionId,
    start_url: String,
    /// The former name of `start_url`, for one release. The third party's own URL would admit a browser that is not bound.
    authorize_url: String,
    expires_at: Timestamp,
}

pub(super) async fn handle(call: BackendCall<'_>) -> HandlerResult {
    let (linker, scope) = (call.state.linker()?, &call.scope());
    let failed = |error| link_failed(error, scope.environment());
    let NewLinkSession { registered_user_id, connector, callback_url } = call.body().await?;
    let registered_user = registered_user_id.parse().map_err(|_| failed(LinkError::NoSuchUser))?;
    let connector = connector.parse().map_err(|_| failed(LinkError::NoSuchConnector))?;
    let new = NewLink::new(registered_user, connector, callback_url);
    let BegunLink { id, start_url, expires_at, .. } = linker.begin(scope, new).await.map_err(failed)?;
    answer::created(&BegunView { id, authorize_url: start_url.clone(), start_url, expires_at })
}
