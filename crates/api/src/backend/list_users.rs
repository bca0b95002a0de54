//! `GET /v1/registered-users?limit=&cursor=`: lists the registered users of the key's environment, newest first.
//!
//! Answers 200 `{"data":[…],"next_cursor"}`. Errors: 400 `invalid_request` for a parameter that is not as it should be.

use doorward_http::Problem;
use doorward_store::{Page, Scope};
use doorward_types::RegisteredUserId;

use super::users;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::cursor;
use crate::problem::store_failed;
use crate::shapes::{List, RegisteredUserShape};
use crate::state::State;

pub(super) async fn handle(state: &State, scope: &Scope, call: Call) -> Answer {
    answer::ok(&page(state, scope, &cursor::page(call.uri())?).await?)
}

pub(crate) async fn page(
    state: &State,
    scope: &Scope,
    page: &Page<RegisteredUserId>,
) -> Result<List<RegisteredUserShape>, Problem> {
    let rows = users(state).list(scope, cursor::one_more(page)).await.map_err(store_failed)?;
    Ok(cursor::list(page, rows, |user| user.id.to_string(), RegisteredUserShape::from))
}
