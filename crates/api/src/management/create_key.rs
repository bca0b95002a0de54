//! `POST /v1/organizations/{organization}/access-keys` `{"name","digest"?}`: makes a test key, which is shown once. If its digest is given,
//! as `LOCATOR:SHA256`, it was made elsewhere: no value is shown, and a repeat answers 200 with the same key.
//!
//! Answers 201 `{"id","environment","name","locator","value","receipt"}`. Errors: 404 `not_found`; 409 `already_done` and 422
//! `idempotency_key_reused`, by the header `Idempotency-Key`.

use doorward_types::Name;
use serde::Deserialize;

use super::operator_call::OperatorCall;
use crate::answer::{self, HandlerResult};
use crate::body::{self, JsonBody};
use crate::problem::change_failed;
use crate::views::CreatedView;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    name: Name,
    digest: Option<String>,
}

impl JsonBody for NewKey {
    const DESCRIPTION: &'static str =
        r#"{"name": string, "digest"?: "LOCATOR:SHA256"}, where a name is one printable line of at most 128 bytes"#;
}

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let state = call.state;
    let organization = call.organization()?;
    let change = call.change()?;
    let NewKey { name, digest } = call.body().await?;
    if let Some(digest) = digest {
        let offered = body::offered(&digest)?;
        let taken = state.issuer.create_offered(organization, name, offered, &change).await.map_err(change_failed)?;
        return answer::taken(&taken);
    }
    let made = state.issuer.create(organization, name, &change).await.map_err(change_failed)?;
    answer::created(&CreatedView::from(&made))
}
