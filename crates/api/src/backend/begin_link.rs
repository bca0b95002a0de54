//! `POST /v1/link-sessions` `{"registered_user_id","connector","callback_url"}`: begins to link a user's account.
//!
//! Answers 201 `{"id","start_url","authorize_url","expires_at"}`, where `authorize_url` is the former name of `start_url`.
//! Errors: 403 `unauthorized_origin` says which origin was seen, and what entry would allow it; 404 `not_found`.

use doorward_link::{Begun, LinkError, NewLink};
use doorward_store::Scope;
use doorward_types::{LinkSessionId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::answer::{self, Answer};
use crate::body::{self, Shape};
use crate::call::Call;
use crate::problem::link_failed;
use crate::state::State;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewLinkSession {
    registered_user_id: String,
    connector: String,
    callback_url: String,
}

impl Shape for NewLinkSession {
    const DESCRIPTION: &'static str = r#"{"registered_user_id": string, "connector": string, "callback_url": string}"#;
}

#[derive(Serialize)]
struct BegunShape {
    id: LinkSessionId,
    start_url: String,
    /// The former name of `start_url`, for one release. The third party's own URL would let a browser in that nobody bound.
    authorize_url: String,
    expires_at: Timestamp,
}

pub(super) async fn handle(state: &State, scope: &Scope, call: Call) -> Answer {
    let failed = |error| link_failed(error, scope.environment());
    let NewLinkSession { registered_user_id, connector, callback_url } = body::json(state, call).await?;
    let registered_user = registered_user_id.parse().map_err(|_| failed(LinkError::NoSuchUser))?;
    let connector = connector.parse().map_err(|_| failed(LinkError::NoSuchConnector))?;
    let new = NewLink { registered_user, connector, callback_url };
    let Begun { id, start_url, expires_at } = state.linker.begin(scope, new).await.map_err(failed)?;
    answer::created(&BegunShape { id, authorize_url: start_url.clone(), start_url, expires_at })
}
