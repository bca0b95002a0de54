//! `POST /v1/registered-users` `{"origin_user_id","origin_user_name"?}`: registers a user of the organization's product.
//!
//! Answers 201 with the user. Errors: 409 `conflict` if this `origin_user_id` is registered in the environment already.

use doorward_http::Problem;
use doorward_store::{RegisteredUser, Scope, StoreError};
use doorward_types::{Name, RegisteredUserId};
use serde::Deserialize;

use super::users;
use crate::Code;
use crate::answer::{self, Answer};
use crate::body::{self, Shape};
use crate::call::Call;
use crate::problem::store_failed;
use crate::shapes::RegisteredUserShape;
use crate::state::State;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUser {
    origin_user_id: Name,
    origin_user_name: Option<Name>,
}

impl Shape for NewUser {
    const DESCRIPTION: &'static str =
        r#"{"origin_user_id": string, "origin_user_name"?: string}, each one printable line of at most 128 bytes"#;
}

pub(super) async fn handle(state: &State, scope: &Scope, call: Call) -> Answer {
    let NewUser { origin_user_id, origin_user_name } = body::json(state, call).await?;
    answer::created(&register(state, scope, origin_user_id, origin_user_name).await?)
}

pub(crate) async fn register(
    state: &State,
    scope: &Scope,
    origin_user_id: Name,
    origin_user_name: Option<Name>,
) -> Result<RegisteredUserShape, Problem> {
    let seed = state.core().id_seed().map_err(|error| Problem::new(Code::Internal, error.to_string()))?;
    let user = RegisteredUser {
        id: RegisteredUserId::new(seed),
        origin_user_id,
        origin_user_name,
        created_at: state.clock().now(),
    };
    match users(state).insert(scope, user.clone()).await {
        Ok(()) => Ok(RegisteredUserShape::from(user)),
        Err(StoreError::Conflict(_)) => Err(Problem::new(
            Code::Conflict,
            format!("a user with this origin_user_id is registered in the {} environment already", scope.environment()),
        )),
        Err(error) => Err(store_failed(error)),
    }
}
