//! `POST /v1/link-sessions/{session}/complete` `{"registered_user_id","confirmation"}`: makes the tokens of a link session
//! the credential of its user, if the backend names the same user.
//!
//! Answers 200 with the session. Errors: 404 `not_found`; 409 `conflict` for another user or confirmation, a second time, or
//! after ten minutes.

use doorward_auth::Principal;
use matchit::Params;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::path::session;
use super::read_link::LinkSessionShape;
use crate::answer::{self, Answer};
use crate::body::{self, Shape};
use crate::call::Call;
use crate::problem::link_failed;
use crate::state::State;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirmation {
    registered_user_id: String,
    confirmation: Zeroizing<String>,
}

impl Shape for Confirmation {
    const DESCRIPTION: &'static str = r#"{"registered_user_id": string, "confirmation": string}"#;
}

pub(super) async fn handle(state: &State, principal: &Principal, params: &Params<'_, '_>, call: Call) -> Answer {
    let (scope, by) = (&principal.scope(), call.by(principal.attribution()));
    let id = session(params, scope)?;
    let Confirmation { registered_user_id, confirmation } = body::json(state, call).await?;
    // A text that cannot be an id is another user's.
    let user = registered_user_id.parse().ok();
    let completed = state.linker.complete(scope, id, user, &confirmation, &by).await;
    answer::ok(&LinkSessionShape::from(completed.map_err(|error| link_failed(error, scope.environment()))?))
}
