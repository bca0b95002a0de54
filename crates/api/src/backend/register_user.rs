//! `POST /v1/registered-users` `{"origin_user_id","origin_user_name"?}`: registers a user of the organization's product.
//!
//! Answers 201 with the user. Errors: 409 `conflict` if this `origin_user_id` is registered in the environment already.

use doorward_types::Name;
use serde::Deserialize;

use super::backend_call::BackendCall;
use crate::answer::{self, HandlerResult};
use crate::body::JsonBody;
use crate::users;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUser {
    origin_user_id: Name,
    origin_user_name: Option<Name>,
}

impl JsonBody for NewUser {
    const DESCRIPTION: &'static str =
        r#"{"origin_user_id": string, "origin_user_name"?: string}, each one printable line of at most 128 bytes"#;
}

pub(super) async fn handle(call: BackendCall<'_>) -> HandlerResult {
    let (state, scope) = (call.state, call.scope());
    let NewUser { origin_user_id, origin_user_name } = call.body().await?;
    answer::created(&users::register(state, &scope, origin_user_id, origin_user_name).await?)
}
