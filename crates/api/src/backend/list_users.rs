//! `GET /v1/registered-users?limit=&cursor=`: lists the registered users of the key's environment, newest first.
//!
//! Answers 200 `{"data":[…],"next_cursor"}`. Errors: 400 `invalid_request` for a parameter that is not as it should be.

use doorward_store::Scope;

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::state::State;
use crate::{cursor, users};

pub(super) async fn handle(state: &State, scope: &Scope, call: Call) -> Answer {
    answer::ok(&users::page(state, scope, &cursor::page(call.uri())?).await?)
}
