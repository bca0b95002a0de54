//! `POST /v1/organizations/{organization}/allowed-origins/check` `{"url"}`: tells whether a callback may go to a URL.
//!
//! Answers 200 `{"allowed","origin"?,"reason"?}`. Errors: 404 `not_found`; 503 `not_current`.

use doorward_auth::{OperatorPrincipal, OriginRefusal};
use matchit::Params;
use serde::Deserialize;

use crate::answer::{self, Answer};
use crate::body::{self, Shape};
use crate::call::{Call, organization};
use crate::problem::{change_failed, origin_refused};
use crate::shapes::OriginCheckShape;
use crate::state::State;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Callback {
    url: String,
}

impl Shape for Callback {
    const DESCRIPTION: &'static str = r#"{"url": string}"#;
}

pub(super) async fn handle(
    state: &State,
    management: &OperatorPrincipal,
    params: &Params<'_, '_>,
    call: Call,
) -> Answer {
    let organization = organization(params)?;
    state.issuer.organization(management, organization).await.map_err(change_failed)?;
    let Callback { url } = body::json(state, call).await?;
    let checked = match state.verifier.check_origin(organization, &url) {
        Ok(entry) => Ok(entry),
        Err(OriginRefusal::Refused(refusal)) => Err(refusal),
        Err(refusal) => return Err(origin_refused(refusal)),
    };
    answer::ok(&OriginCheckShape::new(&checked))
}
