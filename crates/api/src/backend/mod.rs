//! Endpoints behind an access key. Data is reached through the key's scope only.

mod begin_link;
mod complete_link;
mod credential;
mod delete_credential;
mod delete_user;
mod list_events;
mod list_tool_calls;
mod list_users;
mod path;
mod put_credential;
mod read_credential;
mod read_link;
mod read_user;
mod register_user;
mod who_am_i;

use std::pin::Pin;
use std::sync::Arc;

use doorward_auth::Principal;
use matchit::Params;

use crate::answer::Answer;
use crate::call::Call;
use crate::mcp;
use crate::state::State;

/// The actions of an access key's holder.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "each is named as its file, which documents it")]
pub enum BackendAction {
    BeginLink,
    CompleteLink,
    DeleteCredential,
    DeleteUser,
    ListOwnEvents,
    ListToolCalls,
    ListUsers,
    ListUsersToolCalls,
    Mcp,
    PutCredential,
    ReadCredential,
    ReadLink,
    ReadUser,
    RegisterUser,
    WhoAmI,
}

/// Most answers are boxed, so that the one that verifies alone is small to move.
pub(crate) async fn answer(
    state: &Arc<State>,
    action: BackendAction,
    principal: Principal,
    params: &Params<'_, '_>,
    call: Call,
) -> Answer {
    let scope = &principal.scope();
    let answer: Pin<Box<dyn Future<Output = Answer> + Send + '_>> = match action {
        BackendAction::BeginLink => Box::pin(begin_link::handle(state, scope, call)),
        BackendAction::CompleteLink => Box::pin(complete_link::handle(state, &principal, params, call)),
        BackendAction::DeleteCredential => Box::pin(delete_credential::handle(state, &principal, params, call)),
        BackendAction::DeleteUser => Box::pin(delete_user::handle(state, &principal, params, call)),
        BackendAction::ListOwnEvents => Box::pin(list_events::handle(state, &principal, call)),
        BackendAction::ListToolCalls => Box::pin(list_tool_calls::handle(state, scope, call)),
        BackendAction::ListUsers => Box::pin(list_users::handle(state, scope, call)),
        BackendAction::ListUsersToolCalls => Box::pin(list_tool_calls::handle_of_user(state, scope, params, call)),
        BackendAction::Mcp => Box::pin(mcp::answer(state, principal.clone(), call)),
        BackendAction::PutCredential => Box::pin(put_credential::handle(state, &principal, params, call)),
        BackendAction::ReadCredential => Box::pin(read_credential::handle(state, scope, params)),
        BackendAction::ReadLink => Box::pin(read_link::handle(state, scope, params)),
        BackendAction::ReadUser => Box::pin(read_user::handle(state, scope, params)),
        BackendAction::RegisterUser => Box::pin(register_user::handle(state, scope, call)),
        BackendAction::WhoAmI => return who_am_i::handle(&principal),
    };
    answer.await
}
