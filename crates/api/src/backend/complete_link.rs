//! `POST /v1/link-sessions/{session}/complete` `{"registered_user_id","confirmation"}`: makes the tokens of a link session
//! the credential of its user, if the backend names the same user.
//!
//! Answers 200 with the session. Errors: 404 `not_found`; 409 `conflict` for another user or confirmation, a second time, or
//! after ten minutes.

use serde::Deserialize;
use zeroize::Zeroizing;

use super::backend_call::BackendCall;
use super::read_link::LinkSessionView;
use crate::answer::{self, HandlerResult};
use crate::body::JsonBody;
use crate::problem::link_failed;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirmation {
    registered_user_id: String,
    confirmation: Zeroizing<String>,
}

impl JsonBody for Confirmation {
    const DESCRIPTION: &'static str = r#"{"registered_user_id": string, "confirmation": string}"#;
}

pub(super) async fn handle(call: BackendCall<'_>) -> HandlerResult {
    let (linker, scope, by) = (call.state.linker()?, &call.scope(), call.attribution());
    let id = call.session()?;
    let Confirmation { registered_user_id, confirmation } = call.body().await?;
    // A text that cannot be an id is another user's.
    let user = registered_user_id.parse().ok();
    let completed = linker.complete(scope, id, user, &confirmation, &by).await;
    answer::ok(&LinkSessionView::from(completed.map_err(|error| link_failed(error, scope.environment()))?))
}
