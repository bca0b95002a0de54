//! Endpoints behind an access key. Data is reached through the key's scope only.

mod backend_call;
mod begin_link;
mod complete_link;
mod credential;
mod delete_credential;
mod delete_user;
mod list_events;
mod list_tool_calls;
mod list_users;
mod put_credential;
mod read_credential;
mod read_link;
mod read_user;
mod register_user;
mod who_am_i;

use crate::mcp;

pub(crate) use self::backend_call::BackendCall;

crate::actions::actions! {
    /// The actions of an access key's holder.
    BackendAction, BackendCall<'_>:
    BeginLink => begin_link::handle,
    CompleteLink => complete_link::handle,
    DeleteCredential => delete_credential::handle,
    DeleteUser => delete_user::handle,
    ListOwnEvents => list_events::handle,
    ListToolCalls => list_tool_calls::handle,
    ListUsers => list_users::handle,
    ListUsersToolCalls => list_tool_calls::handle_of_user,
    Mcp => mcp::answer,
    PutCredential => put_credential::handle,
    ReadCredential => read_credential::handle,
    ReadLink => read_link::handle,
    ReadUser => read_user::handle,
    RegisterUser => register_user::handle;
    WhoAmI => who_am_i::handle,
}
