//! `PUT /v1/organizations/{organization}/connectors/{connector}?environment=`: makes or replaces a connector.
//!
//! Answers 204. Errors: 400 `invalid_request` for a setting that cannot work; 404 `not_found`.

use doorward_auth::OperatorPrincipal;
use doorward_http::Problem;
use doorward_link::ConnectorSettings;
use doorward_records::ConnectorNameError;
use matchit::Params;

use super::input::scope;
use crate::answer::{self, Answer};
use crate::body::{self, Shape};
use crate::call::Call;
use crate::code::Code;
use crate::problem::link_failed;
use crate::state::State;

impl Shape for ConnectorSettings {
    const DESCRIPTION: &'static str = r#"{"authorization_endpoint"?: string, "token_endpoint"?: string, "revocation_endpoint"?: string, "client_id"?: string, "upstream"?: {"protocol": "http"|"mcp", "url": string}, "client_secret"?: string, "token_endpoint_auth_method"?: "client_secret_basic"|"client_secret_post", "scope"?: string, "issuer"?: string, "authorization_parameters"?: {string: string}}"#;
}

pub(super) async fn handle(
    state: &State,
    management: &OperatorPrincipal,
    params: &Params<'_, '_>,
    call: Call,
) -> Answer {
    let scope = scope(state, management, params, &call).await?;
    let name = params.get("connector").and_then(|text| text.parse().ok());
    let name = name.ok_or_else(|| Problem::new(Code::InvalidRequest, ConnectorNameError.to_string()))?;
    let by = call.by(management.attribution());
    let settings: ConnectorSettings = body::json(state, call).await?;
    let put = state.linker.put_connector(&scope, name, &settings, &by).await;
    put.map_err(|error| link_failed(error, scope.environment()))?;
    Ok(answer::no_content())
}
