//! Registered users, as backends and agents reach them.

use doorward_audit::{Action, Attribution, Detail};
use doorward_http::Problem;
use doorward_records::{RegisteredUser, Table};
use doorward_store::{Page, Scope, StoreError};
use doorward_types::{Name, RegisteredUserId};

use crate::code::Code;
use crate::cursor;
use crate::problem::{absent, store_failed};
use crate::state::State;
use crate::views::{List, RegisteredUserView};

fn users(state: &State) -> &dyn Table<RegisteredUser> {
    state.store()
}

/// Returns a page of the registered users, newest first.
pub(crate) async fn page(
    state: &State,
    scope: &Scope,
    page: &Page<RegisteredUserId>,
) -> Result<List<RegisteredUserView>, Problem> {
    let rows = users(state).list(scope, cursor::one_more(page)).await.map_err(store_failed)?;
    Ok(cursor::list(page, rows, |user| user.id.to_string(), RegisteredUserView::from))
}

/// Registers a user.
pub(crate) async fn register(
    state: &State,
    scope: &Scope,
    origin_user_id: Name,
    origin_user_name: Option<Name>,
) -> Result<RegisteredUserView, Problem> {
    let seed = state.core().id_seed().map_err(|error| Problem::new(Code::Internal, error.to_string()))?;
    let user = RegisteredUser::new(RegisteredUserId::new(seed), origin_user_id, origin_user_name, state.clock().now());
    match users(state).insert(scope, user.clone()).await {
        Ok(()) => Ok(RegisteredUserView::from(user)),
        Err(StoreError::Conflict(_)) => Err(Problem::new(
            Code::Conflict,
            format!("a user with this origin_user_id is registered in the {} environment already", scope.environment()),
        )),
        Err(error) => Err(store_failed(error)),
    }
}

/// Returns one registered user.
pub(crate) async fn find(state: &State, scope: &Scope, id: RegisteredUserId) -> Result<RegisteredUserView, Problem> {
    let found = users(state).get(scope, &id).await.map_err(store_failed)?;
    found.map(RegisteredUserView::from).ok_or_else(|| absent("registered user", scope.environment()))
}

/// Deletes a registered user, and the credentials with it, which are revoked.
pub(crate) async fn delete(
    state: &State,
    scope: &Scope,
    id: RegisteredUserId,
    by: &Attribution,
) -> Result<(), Problem> {
    let event = state.core().event(Action::RegisteredUserDeleted, id.to_string(), scope.log(), by, Detail::default());
    match users(state).delete(scope, &id, event).await.map_err(store_failed)? {
        true => {
            state.revoke_soon();
            Ok(())
        }
        false => Err(absent("registered user", scope.environment())),
    }
}
