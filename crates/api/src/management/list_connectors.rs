//! `GET /v1/organizations/{organization}/connectors?environment=`: lists the connectors of an environment.
//!
//! Answers 200 with everything but the secrets, and with the `redirect_uri` to register at the third party. Errors: 404
//! `not_found`.

use std::collections::BTreeMap;

use doorward_link::{ConnectorSettings, Linker, TokenEndpointAuth, UpstreamSettings};
use doorward_records::Connector;
use doorward_store::Scope;
use doorward_types::Timestamp;
use serde::Serialize;

use super::operator_call::OperatorCall;
use crate::answer::{self, HandlerResult};
use crate::problem::link_failed;
use crate::views::List;

/// Everything but the secret.
#[derive(Serialize)]
struct ConnectorView {
    name: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    client_id: Option<String>,
    token_endpoint_auth_method: Option<TokenEndpointAuth>,
    scope: Option<String>,
    issuer: Option<String>,
    authorization_parameters: BTreeMap<String, String>,
    /// To be registered at the third party.
    redirect_uri: Option<String>,
    upstream: Option<UpstreamSettings>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl ConnectorView {
    fn of(linker: &Linker, scope: &Scope, connector: &Connector, settings: ConnectorSettings) -> Self {
        let links_accounts = settings.links_accounts();
        let of_application = |text: String| links_accounts.then_some(text);
        Self {
            name: connector.name.to_string(),
            authorization_endpoint: of_application(settings.authorization_endpoint),
            token_endpoint: of_application(settings.token_endpoint),
            revocation_endpoint: settings.revocation_endpoint,
            client_id: of_application(settings.client_id),
            token_endpoint_auth_method: links_accounts.then_some(settings.token_endpoint_auth_method),
            scope: settings.scope,
            issuer: settings.issuer,
            authorization_parameters: settings.authorization_parameters,
            redirect_uri: of_application(linker.redirect_uri(scope, &connector.name)),
            upstream: settings.upstream,
            created_at: connector.created_at,
            updated_at: connector.updated_at,
        }
    }
}

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let state = call.state;
    let scope = call.scope().await?;
    let linker = state.linker()?;
    let all = linker.connectors(&scope).await.map_err(|error| link_failed(error, scope.environment()))?;
    let shape = |(connector, settings)| ConnectorView::of(linker, &scope, &connector, settings);
    let data: Vec<_> = all.into_iter().map(shape).collect();
    answer::ok(&List::whole(data))
}
