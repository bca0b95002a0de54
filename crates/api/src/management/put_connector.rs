//! `PUT /v1/organizations/{organization}/connectors/{connector}?environment=`: makes or replaces a connector.
//!
//! Answers 204. Errors: 400 `invalid_request` for a setting that cannot work; 404 `not_found`; 409 `conflict` if the organization
//! is closed.

use doorward_http::Problem;
use doorward_link::ConnectorSettings;
use doorward_records::ConnectorNameError;

use super::operator_call::OperatorCall;
use crate::answer::{self, HandlerResult};
use crate::body::JsonBody;
use crate::code::Code;
use crate::problem::link_failed;

impl JsonBody for ConnectorSettings {
    const DESCRIPTION: &'static str = r#"{"authorization_endpoint"?: string, "token_endpoint"?: string, "revocation_endpoint"?: string, "client_id"?: string, "upstream"?: {"protocol": "http"|"mcp", "url": string}, "client_secret"?: string, "token_endpoint_auth_method"?: "client_secret_basic"|"client_secret_post", "scope"?: string, "issuer"?: string, "authorization_parameters"?: {string: string}}"#;
}

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let state = call.state;
    let scope = call.writable_scope().await?;
    let name = call.params.get("connector").and_then(|text| text.parse().ok());
    let name = name.ok_or_else(|| Problem::new(Code::InvalidRequest, ConnectorNameError.to_string()))?;
    let by = call.attribution();
    let settings: ConnectorSettings = call.body().await?;
    let put = state.linker()?.put_connector(&scope, name, &settings, &by).await;
    put.map_err(|error| link_failed(error, scope.environment()))?;
    Ok(answer::no_content())
}
