//! `GET /v1/tool-calls?limit=&cursor=`: lists the calls of tools in the key's environment, newest first.
//!
//! `GET /v1/registered-users/{user}/tool-calls?limit=&cursor=`: lists the calls for one user. Errors: 404 `not_found` if
//! there is no such user.

use doorward_records::ToolCalls;
use doorward_types::RegisteredUserId;

use super::backend_call::BackendCall;
use crate::answer::{self, HandlerResult};
use crate::problem::store_failed;
use crate::views::ToolCallView;
use crate::{cursor, users};

pub(super) async fn handle(call: BackendCall<'_>) -> HandlerResult {
    list(call, None).await
}

pub(super) async fn handle_of_user(call: BackendCall<'_>) -> HandlerResult {
    let user = call.user()?;
    users::find(call.state, &call.scope(), user).await?;
    list(call, Some(user)).await
}

async fn list(call: BackendCall<'_>, user: Option<RegisteredUserId>) -> HandlerResult {
    let page = cursor::page(call.uri())?;
    let calls: &dyn ToolCalls = call.state.store();
    let rows = calls.tool_calls(&call.scope(), user, cursor::one_more(&page)).await.map_err(store_failed)?;
    answer::ok(&cursor::list(&page, rows, |call| call.id.to_string(), ToolCallView::from))
}
