//! `GET /v1/organizations/{organization}/connectors?environment=`: lists the connectors of an environment.
//!
//! Answers 200 with everything but the secrets, and with the `redirect_uri` to register at the third party. Errors: 404
//! `not_found`.

use std::collections::BTreeMap;

use doorward_auth::OperatorPrincipal;
use doorward_link::{ConnectorSettings, TokenEndpointAuth, UpstreamSettings};
use doorward_records::Connector;
use doorward_store::Scope;
use doorward_types::Timestamp;
use matchit::Params;
use serde::Serialize;

use super::input::scope;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::problem::link_failed;
use crate::shapes::List;
use crate::state::State;

/// Everything but the secret.
#[derive(Serialize)]
struct ConnectorShape {
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

impl ConnectorShape {
    fn of(state: &State, scope: &Scope, connector: &Connector, settings: ConnectorSettings) -> Self {
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
            redirect_uri: of_application(state.linker.redirect_uri(scope, &connector.name)),
            upstream: settings.upstream,
            created_at: connector.created_at,
            updated_at: connector.updated_at,
        }
    }
}

pub(super) async fn handle(
    state: &State,
    management: &OperatorPrincipal,
    params: &Params<'_, '_>,
    call: &Call,
) -> Answer {
    let scope = scope(state, management, params, call).await?;
    let all = state.linker.connectors(&scope).await.map_err(|error| link_failed(error, scope.environment()))?;
    let shape = |(connector, settings)| ConnectorShape::of(state, &scope, &connector, settings);
    let data: Vec<_> = all.into_iter().map(shape).collect();
    answer::ok(&List { data, next_cursor: None })
}
