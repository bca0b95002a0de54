//! Linking accounts: connectors behind the operator's door, links behind the key's; a link's start and callback are open.

use std::collections::BTreeMap;
use std::sync::Arc;

use doorward::auth::{OperatorPrincipal, Principal};
use doorward::http::shapes::List;
use doorward::http::{Code, Problem};
use doorward::link::{
    Begun, ConnectorSettings, Finish, LinkError, NewLink, Start, TokenEndpointAuth, UpstreamSettings,
};
use doorward::store::{Connector, ConnectorName, ConnectorNameError, LinkSession, LinkStatus, Scope};
use doorward::types::{Environment, LinkSessionId, OrganizationId, RegisteredUserId, Timestamp};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};
use matchit::Params;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::answer::{self, Answer, Body};
use crate::app::{App, Call, UnderWay};
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
struct BegunShape {
    id: LinkSessionId,
    start_url: String,
    /// The former name of `start_url`, for one release. The third party's own URL would let a browser in that nobody bound.
    authorize_url: String,
    expires_at: Timestamp,
}

/// The progress of a link session.
#[derive(Serialize)]
struct LinkSessionShape {
    id: LinkSessionId,
    registered_user_id: RegisteredUserId,
    connector: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_error: Option<String>,
    expires_at: Timestamp,
}

impl From<LinkSession> for LinkSessionShape {
    fn from(session: LinkSession) -> Self {
        let LinkSession { id, registered_user, connector, status, error, provider_error, expires_at, .. } = session;
        let status = match status {
            // A backend has the same to do in each of them: to wait.
            LinkStatus::Begun | LinkStatus::Started | LinkStatus::Exchanging => LinkStatus::Begun,
            other => other,
        };
        Self {
            id,
            registered_user_id: registered_user,
            connector: connector.to_string(),
            status: status.as_str(),
            error,
            provider_error,
            expires_at,
        }
    }
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
    let Begun { id, start_url, expires_at } = begun;
    answer::created(&BegunShape { id, authorize_url: start_url.clone(), start_url, expires_at })
}

/// A text that cannot be an id names something that does not exist.
fn session(params: &Params<'_, '_>, scope: &Scope) -> Result<LinkSessionId, Problem> {
    let id = params.get("session").and_then(|text| text.parse().ok());
    id.ok_or_else(|| failed(LinkError::NoSuchSession, scope.environment()))
}

/// Answers with the progress of a link session of the key's own environment.
pub(crate) async fn read(app: &App, params: &Params<'_, '_>, scope: &Scope) -> Answer {
    let session = app.linker().session(scope, session(params, scope)?).await;
    answer::ok(&LinkSessionShape::from(session.map_err(|error| failed(error, scope.environment()))?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirmation {
    registered_user_id: String,
    confirmation: Zeroizing<String>,
}

impl Shape for Confirmation {
    const DESCRIPTION: &'static str = r#"{"registered_user_id": string, "confirmation": string}"#;
}

/// Makes the tokens of a link session the credential of its user, if the backend names the same user.
pub(crate) async fn complete(app: &App, params: &Params<'_, '_>, principal: &Principal, call: Call) -> Answer {
    let (scope, by) = (&principal.scope(), call.by(principal.actor()));
    let id = session(params, scope)?;
    let Confirmation { registered_user_id, confirmation } = body::json(app, call).await?;
    // A text that is no id is another user's.
    let user = registered_user_id.parse().ok();
    let completed = app.linker().complete(scope, id, user, &confirmation, &by).await;
    answer::ok(&LinkSessionShape::from(completed.map_err(|error| failed(error, scope.environment()))?))
}

/// Sends a browser to the third party, bound to its session.
pub(crate) async fn start(app: &App, params: &Params<'_, '_>, call: &Call) -> Answer {
    let token = params.get("token").unwrap_or_default();
    let Start { finish, cookie } = app.linker().start(token, call.request.headers()).await;
    let mut response = onward(finish)?;
    if let Some(cookie) = cookie {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Answers at the place that third parties send browsers back to. The work goes on if the browser leaves, and the server does not stop before its end.
pub(crate) async fn callback(app: &Arc<App>, params: &Params<'_, '_>, call: &Call) -> Answer {
    let reference = params.get("reference").map(str::to_owned);
    let (query, headers) = (call.uri().query().unwrap_or_default().to_owned(), call.request.headers().clone());
    let (app, under_way) = (Arc::clone(app), UnderWay::of(app));
    let finished = tokio::spawn(async move {
        let _under_way = under_way;
        app.linker().finish(reference.as_deref(), &query, &headers).await
    });
    onward(finished.await.map_err(|_| Problem::new(Code::Internal, "the server failed at this request"))?)
}

/// Sends a browser on. The query goes to no log, and the page that comes next does not hear of it.
fn onward(finish: Finish) -> Answer {
    let mut response = match finish {
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
    const DESCRIPTION: &'static str = r#"{"authorization_endpoint"?: string, "token_endpoint"?: string, "revocation_endpoint"?: string, "client_id"?: string, "upstream"?: {"protocol": "http"|"mcp", "url": string}, "client_secret"?: string, "token_endpoint_auth_method"?: "client_secret_basic"|"client_secret_post", "scope"?: string, "issuer"?: string, "authorization_parameters"?: {string: string}}"#;
}

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
    fn of(app: &App, scope: &Scope, connector: &Connector, settings: ConnectorSettings) -> Self {
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
            redirect_uri: of_application(app.linker().redirect_uri(scope, &connector.name)),
            upstream: settings.upstream,
            created_at: connector.created_at,
            updated_at: connector.updated_at,
        }
    }
}

/// The connectors of one environment.
pub(crate) async fn connectors(
    app: &App,
    management: &OperatorPrincipal,
    organization: OrganizationId,
    call: &Call,
) -> Answer {
    let scope = scope(app, management, organization, call).await?;
    let all = app.linker().connectors(&scope).await.map_err(|error| failed(error, scope.environment()))?;
    let shape = |(connector, settings)| ConnectorShape::of(app, &scope, &connector, settings);
    let data: Vec<_> = all.into_iter().map(shape).collect();
    answer::ok(&List { data, next_cursor: None })
}

pub(crate) async fn put_connector(
    app: &App,
    management: &OperatorPrincipal,
    organization: OrganizationId,
    params: &Params<'_, '_>,
    call: Call,
) -> Answer {
    let scope = scope(app, management, organization, &call).await?;
    let name = params.get("connector").and_then(|text| text.parse().ok());
    let name = name.ok_or_else(|| Problem::new(Code::InvalidRequest, ConnectorNameError.to_string()))?;
    let by = call.by(management.actor().clone());
    let settings: ConnectorSettings = body::json(app, call).await?;
    let put = app.linker().put_connector(&scope, name, &settings, &by).await;
    put.map_err(|error| failed(error, scope.environment()))?;
    answer::no_content()
}

pub(crate) async fn remove_connector(
    app: &App,
    management: &OperatorPrincipal,
    organization: OrganizationId,
    params: &Params<'_, '_>,
    call: &Call,
) -> Answer {
    let scope = scope(app, management, organization, call).await?;
    let absent = || failed(LinkError::NoSuchConnector, scope.environment());
    let name: ConnectorName = params.get("connector").and_then(|text| text.parse().ok()).ok_or_else(absent)?;
    let removed = app.linker().remove_connector(&scope, &name, &call.by(management.actor().clone())).await;
    match removed.map_err(|error| failed(error, scope.environment()))? {
        true => answer::no_content(),
        false => Err(absent()),
    }
}

async fn scope(
    app: &App,
    management: &OperatorPrincipal,
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
        LinkError::NoSuchSession => backend::absent("link session", environment),
        LinkError::NotPending(_) | LinkError::OtherConfirmation | LinkError::OtherUser => {
            Problem::new(Code::Conflict, error.to_string())
        }
        LinkError::Origin(refusal) => refusal.into(),
        LinkError::Store(error) => backend::failed(error),
        LinkError::Connector(_) | LinkError::Fragment => Problem::new(Code::InvalidRequest, error.to_string()),
        error => {
            tracing::error!(error = &error as &dyn std::error::Error, "a link failed");
            Problem::new(Code::Internal, "the server failed; its operator finds the reason in its log")
        }
    }
}
