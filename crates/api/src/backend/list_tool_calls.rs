//! `GET /v1/tool-calls?limit=&cursor=`: lists the calls of tools in the key's environment, newest first.
//!
//! `GET /v1/registered-users/{user}/tool-calls?limit=&cursor=`: lists the calls for one user. Errors: 404 `not_found` if
//! there is no such user.

use doorward_records::ToolCalls;
use doorward_store::Scope;
use doorward_types::RegisteredUserId;
use matchit::Params;

use super::path::user;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::problem::store_failed;
use crate::shapes::ToolCallShape;
use crate::state::State;
use crate::{cursor, users};

pub(super) async fn handle(state: &State, scope: &Scope, call: Call) -> Answer {
    list(state, scope, None, &call).await
}

pub(super) async fn handle_of_user(state: &State, scope: &Scope, params: &Params<'_, '_>, call: Call) -> Answer {
    let user = user(params, scope)?;
    users::find(state, scope, user).await?;
    list(state, scope, Some(user), &call).await
}

async fn list(state: &State, scope: &Scope, user: Option<RegisteredUserId>, call: &Call) -> Answer {
    let page = cursor::page(call.uri())?;
    let calls: &dyn ToolCalls = state.store();
    let rows = calls.tool_calls(scope, user, cursor::one_more(&page)).await.map_err(store_failed)?;
    answer::ok(&cursor::list(&page, rows, |call| call.id.to_string(), ToolCallShape::from))
}
