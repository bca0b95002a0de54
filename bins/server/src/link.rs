//! Linking accounts: connectors behind the operator's door, links behind the key's, and the callback, which is open.

use doorward::auth::{Management, Principal};
use doorward::http::shapes::List;
use doorward::http::{Code, Problem};
use doorward::link::{Begun, ConnectorSettings, Finish, LinkError, NewLink, UpstreamSettings};
use doorward::store::{Connector, ConnectorName, ConnectorNameError, Scope};
use doorward::types::{Environment, LinkSessionId, OrganizationId, RegisteredUserId, Timestamp};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};
use matchit::Params;
use serde::{Deserialize, Serialize};

use crate::answer::{self, Answer, Body};
use crate::app::{App, Call};
use crate::audit::{ENVIRONMENT, chosen};
use crate::body::{self, Shape};
use crate::{backend, cursor};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewLinkSession {
    registered_user_id: String,
    connector: String,
    callback_url: String,
}

impl Shape for NewLinkSession {
    const DESCRIPTION: &'static str = r#"{"registered_user_id": string, "connector": string, "callback_url": string}"#;
}

#[derive(Serialize)]
struct LinkSessionShape {
    id: LinkSessionId,
    authorize_url: String,
    expires_at: Timestamp,
}

/// Begins a link for a registered user of the key's own environment.
pub(crate) async fn begin(app: &App, principal: &Principal, call: Call) -> Answer {
    let scope = principal.scope();
    let NewLinkSession { registered_user_id, connector, callback_url } = body::json(app, call).await?;
    let registered_user: RegisteredUserId =
        registered_user_id.parse().map_err(|_| failed(LinkError::NoSuchUser, scope.environment()))?;
    let connector = connector.parse().map_err(|_| failed(LinkError::NoSuchConnector, scope.environment()))?;
    let new = NewLink { registered_user, connector, callback_url };
    let begun = app.linker().begin(&scope, new).await.map_err(|error| failed(error, scope.environment()))?;
    let Begun { id, authorize_url, expires_at } = begun;
    answer::created(&LinkSessionShape { id, authorize_url, expires_at })
}

/// Where third parties send browsers back to. What is in the query goes to no log, and the page that comes next does not hear of it.
pub(crate) async fn callback(app: &App, call: &Call) -> Answer {
    let mut response = match app.linker().finish(call.uri().query().unwrap_or_default()).await {
        Finish::Redirect(url) => {
            let mut response = Response::new(Body::from(""));
            *response.status_mut() = StatusCode::SEE_OTHER;
            let url = HeaderValue::try_from(url);
            let url = url.map_err(|_| Problem::new(Code::Internal, "the callback's URL cannot be a header"))?;
            response.headers_mut().insert(LOCATION, url);
            response
        }
        Finish::Page(status, text) => {
            let mut response = Response::new(Body::from(text));
            *response.status_mut() = status;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
            response
        }
    };
    for (name, value) in
        [(CACHE_CONTROL, "no-store"), (REFERRER_POLICY, "no-referrer"), (X_CONTENT_TYPE_OPTIONS, "nosniff")]
    {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

impl Shape for ConnectorSettings {
    const DESCRIPTION: &'static str = r#"{"authorization_endpoint"?: string, "token_endpoint"?: string, "client_id"?: string, "upstream"?: {"protocol": "http"|"mcp", "url": string}, "client_secret"?: string, "token_endpoint_auth_method"?: "client_secret_basic"|"client_secret_post", "scope"?: string, "issuer"?: string, "authorization_parameters"?: {string: string}}"#;
}

/// Everything but the secret.
#[derive(Serialize)]
struct ConnectorShape {
    name: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    client_id: Option<String>,
    scope: Option<String>,
    upstream: Option<UpstreamSettings>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<(Connector, ConnectorSettings)> for ConnectorShape {
    fn from((connector, settings): (Connector, ConnectorSettings)) -> Self {
        let of_application = |text: &String| settings.links_accounts().then(|| text.clone());
        Self {
            name: connector.name.to_string(),
            authorization_endpoint: of_application(&settings.authorization_endpoint),
            token_endpoint: of_application(&settings.token_endpoint),
            client_id: of_application(&settings.client_id),
            scope: settings.scope,
            upstream: settings.upstream,
            created_at: connector.created_at,
            updated_at: connector.updated_at,
        }
    }
}

/// The connectors of one environment.
pub(crate) async fn connectors(
    app: &App,
    management: &Management,
    organization: OrganizationId,
    call: &Call,
) -> Answer {
    let scope = scope(app, management, organization, call).await?;
    let all = app.linker().connectors(&scope).await.map_err(|error| failed(error, scope.environment()))?;
    let data: Vec<_> = all.into_iter().map(ConnectorShape::from).collect();
    answer::ok(&List { data, next_cursor: None })
}

pub(crate) async fn put_connector(
    app: &App,
    management: &Management,
    organization: OrganizationId,
    params: &Params<'_, '_>,
    call: Call,
) -> Answer {
    let scope = scope(app, management, organization, &call).await?;
    let name = params.get("connector").and_then(|text| text.parse().ok());
    let name = name.ok_or_else(|| Problem::new(Code::InvalidRequest, ConnectorNameError.to_string()))?;
    let settings: ConnectorSettings = body::json(app, call).await?;
    let put = app.linker().put_connector(&scope, name, &settings).await;
    put.map_err(|error| failed(error, scope.environment()))?;
    answer::no_content()
}

pub(crate) async fn remove_connector(
    app: &App,
    management: &Management,
    organization: OrganizationId,
    params: &Params<'_, '_>,
    call: &Call,
) -> Answer {
    let scope = scope(app, management, organization, call).await?;
    let absent = || failed(LinkError::NoSuchConnector, scope.environment());
    let name: ConnectorName = params.get("connector").and_then(|text| text.parse().ok()).ok_or_else(absent)?;
    let removed = app.linker().remove_connector(&scope, &name).await;
    match removed.map_err(|error| failed(error, scope.environment()))? {
        true => answer::no_content(),
        false => Err(absent()),
    }
}

async fn scope(
    app: &App,
    management: &Management,
    organization: OrganizationId,
    call: &Call,
) -> Result<Scope, Problem> {
    let parameters = cursor::parameters(call.uri(), &[ENVIRONMENT])?;
    chosen(app, management, organization, &parameters).await
}

pub(crate) fn failed(error: LinkError, environment: Environment) -> Problem {
    match error {
        LinkError::NoSuchUser => backend::absent("registered user", environment),
        LinkError::NoSuchConnector => backend::absent("connector", environment),
        LinkError::NoCredential => backend::absent("credential", environment),
        LinkError::Origin(refusal) => refusal.into(),
        LinkError::Store(error) => backend::failed(error),
        LinkError::Connector(_) | LinkError::Fragment => Problem::new(Code::InvalidRequest, error.to_string()),
        error => {
            tracing::error!(error = &error as &dyn std::error::Error, "a link failed");
            Problem::new(Code::Internal, "the server failed; its operator finds the reason in its log")
        }
    }
}
