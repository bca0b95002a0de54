//! `POST /v1/organizations/{organization}/allowed-origins` `{"origin"}`: allows callbacks to go to an origin.
//!
//! Answers 201 `{"id","origin","created_at","created_by","receipt"}`; 200 without a receipt if the origin was allowed
//! already. Errors: 400 `invalid_request` says why not, and what may have been meant; 404 `not_found`; 409 `conflict` for the
//! 1,001st origin.

use doorward_auth::Allowed;
use doorward_http::Problem;
use doorward_origin::AllowedOrigin;
use http::StatusCode;
use serde::Deserialize;

use super::operator_call::OperatorCall;
use crate::answer::{self, HandlerResult};
use crate::body::JsonBody;
use crate::code::Code;
use crate::problem::change_failed;
use crate::views::AllowedOriginView;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewOrigin {
    origin: String,
}

impl JsonBody for NewOrigin {
    const DESCRIPTION: &'static str = r#"{"origin": string}, such as "app.example.com" or "localhost:3000""#;
}

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let state = call.state;
    let organization = call.organization()?;
    let change = call.change()?;
    let NewOrigin { origin } = call.body().await?;
    let origin = AllowedOrigin::parse(&origin, state.custom_schemes)
        .map_err(|error| Problem::new(Code::InvalidRequest, error.to_string()))?;
    let allowed = state.issuer.allow_origin(organization, origin, &change).await.map_err(change_failed)?;
    let Allowed { entry, receipt, .. } = allowed;
    let status = if receipt.is_some() { StatusCode::CREATED } else { StatusCode::OK };
    answer::json(status, &AllowedOriginView::new(&entry, receipt))
}
