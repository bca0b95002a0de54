//! Handlers behind an access key. Data is reached through the key's scope only.

use doorward::audit::{Action as AuditAction, Attribution, Detail, EventDraft};
use doorward::auth::Principal;
use doorward::http::shapes::{CredentialShape, List, RegisteredUserShape, ToolCallShape, WhoAmI};
use doorward::http::{Code, Problem};
use doorward::store::{
    ConnectorName, ConnectorNameError, Credential, CredentialKey, Page, RegisteredUser, Scope, SealingError,
    StoreError, Table, ToolCalls, write_sealed,
};
use doorward::types::{Environment, Name, RegisteredUserId};
use matchit::Params;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::answer::{self, Answer};
use crate::app::{App, Call};
use crate::body::{self, Shape};
use crate::cursor;
use crate::routes::Action;
use crate::{audit, link};

/// The most bytes of a credential's secret.
const MAX_SECRET: usize = 16 * 1024;

/// Who a key speaks for.
pub(crate) fn who_am_i(principal: &Principal) -> Answer {
    answer::ok(&WhoAmI::from(principal))
}

pub(crate) async fn handle(
    app: &App,
    action: Action,
    params: &Params<'_, '_>,
    principal: &Principal,
    call: Call,
) -> Answer {
    let scope = principal.scope();
    match action {
        Action::ListUsers => answer::ok(&list_users(app, &scope, &cursor::page(call.uri())?).await?),
        Action::RegisterUser => {
            let NewUser { origin_user_id, origin_user_name } = body::json(app, call).await?;
            answer::created(&register_user(app, &scope, origin_user_id, origin_user_name).await?)
        }
        Action::ReadUser => answer::ok(&read_user(app, &scope, user(params, &scope)?).await?),
        Action::DeleteUser => {
            delete_user(app, &scope, user(params, &scope)?, &call.by(principal.actor())).await?;
            answer::no_content()
        }
        Action::ListToolCalls => list_tool_calls(app, &scope, None, &call).await,
        Action::ListUsersToolCalls => {
            let user = user(params, &scope)?;
            read_user(app, &scope, user).await?;
            list_tool_calls(app, &scope, Some(user), &call).await
        }
        Action::PutCredential => put_credential(app, principal, new_credential(params, &scope)?, call).await,
        Action::ReadCredential => read_credential(app, &scope, credential(params, &scope)?).await,
        Action::DeleteCredential => {
            delete_credential(app, &scope, credential(params, &scope)?, &call.by(principal.actor())).await
        }
        Action::BeginLink => link::begin(app, principal, call).await,
        Action::ReadLink => link::read(app, params, &scope).await,
        Action::CompleteLink => link::complete(app, params, principal, call).await,
        Action::ListOwnEvents => audit::list_own(app, principal.key_id(), &scope, &call).await,
        _ => Err(Problem::new(Code::Internal, "this route has no handler")),
    }
}

/// The answer for what is absent, in this environment or anywhere: there is no other.
pub(crate) fn absent(what: &str, environment: Environment) -> Problem {
    Problem::new(Code::NotFound, format!("there is no such {what} in the {environment} environment"))
}

/// A text that cannot be an id names something that does not exist.
fn user(params: &Params<'_, '_>, scope: &Scope) -> Result<RegisteredUserId, Problem> {
    let id = params.get("user").and_then(|text| text.parse().ok());
    id.ok_or_else(|| absent("registered user", scope.environment()))
}

fn connector(params: &Params<'_, '_>) -> Option<ConnectorName> {
    params.get("connector").and_then(|text| text.parse().ok())
}

fn credential(params: &Params<'_, '_>, scope: &Scope) -> Result<CredentialKey, Problem> {
    let key = user(params, scope).ok().zip(connector(params));
    let key = key.map(|(registered_user, connector)| CredentialKey { registered_user, connector });
    key.ok_or_else(|| absent("credential", scope.environment()))
}

/// Where one is to be made, the user must be there, and the name must be one.
fn new_credential(params: &Params<'_, '_>, scope: &Scope) -> Result<CredentialKey, Problem> {
    let registered_user = user(params, scope)?;
    let connector =
        connector(params).ok_or_else(|| Problem::new(Code::InvalidRequest, ConnectorNameError.to_string()))?;
    Ok(CredentialKey { registered_user, connector })
}

/// What the store said goes to the log; what the caller may know goes into the answer.
pub(crate) fn failed(error: StoreError) -> Problem {
    if matches!(
        error,
        StoreError::Unavailable(_) | StoreError::OutcomeUnknown | StoreError::Corrupt(_) | StoreError::OtherSealingKey
    ) {
        tracing::error!(error = &error as &dyn std::error::Error, "the store failed");
    }
    error.into()
}

fn users(app: &App) -> &dyn Table<RegisteredUser> {
    app.store()
}

fn credentials(app: &App) -> &dyn Table<Credential> {
    app.store()
}

/// A page of the registered users, newest first.
pub(crate) async fn list_users(
    app: &App,
    scope: &Scope,
    page: &Page<RegisteredUserId>,
) -> Result<List<RegisteredUserShape>, Problem> {
    let rows = users(app).list(scope, cursor::one_more(page)).await.map_err(failed)?;
    Ok(cursor::list(page, rows, |user| user.id.to_string(), RegisteredUserShape::from))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUser {
    origin_user_id: Name,
    origin_user_name: Option<Name>,
}

impl Shape for NewUser {
    const DESCRIPTION: &'static str =
        r#"{"origin_user_id": string, "origin_user_name"?: string}, each one printable line of at most 128 bytes"#;
}

/// Registers a user.
pub(crate) async fn register_user(
    app: &App,
    scope: &Scope,
    origin_user_id: Name,
    origin_user_name: Option<Name>,
) -> Result<RegisteredUserShape, Problem> {
    let seed = app.core().id_seed().map_err(|error| Problem::new(Code::Internal, error.to_string()))?;
    let user = RegisteredUser {
        id: RegisteredUserId::new(seed),
        origin_user_id,
        origin_user_name,
        created_at: app.clock().now(),
    };
    match users(app).insert(scope, user.clone()).await {
        Ok(()) => Ok(RegisteredUserShape::from(user)),
        Err(StoreError::Conflict(_)) => Err(Problem::new(
            Code::Conflict,
            format!("a user with this origin_user_id is registered in the {} environment already", scope.environment()),
        )),
        Err(error) => Err(failed(error)),
    }
}

/// One registered user.
pub(crate) async fn read_user(app: &App, scope: &Scope, id: RegisteredUserId) -> Result<RegisteredUserShape, Problem> {
    let found = users(app).get(scope, &id).await.map_err(failed)?;
    found.map(RegisteredUserShape::from).ok_or_else(|| absent("registered user", scope.environment()))
}

/// Deletes a registered user, and the credentials with it, which are revoked.
pub(crate) async fn delete_user(
    app: &App,
    scope: &Scope,
    id: RegisteredUserId,
    by: &Attribution,
) -> Result<(), Problem> {
    let event = app.event(AuditAction::RegisteredUserDeleted, id.to_string(), scope, by, Detail::default());
    match users(app).delete(scope, &id, event).await.map_err(failed)? {
        true => {
            app.linker().revoke_soon();
            Ok(())
        }
        false => Err(absent("registered user", scope.environment())),
    }
}

async fn list_tool_calls(app: &App, scope: &Scope, user: Option<RegisteredUserId>, call: &Call) -> Answer {
    let page = cursor::page(call.uri())?;
    let calls: &dyn ToolCalls = app.store();
    let rows = calls.tool_calls(scope, user, cursor::one_more(&page)).await.map_err(failed)?;
    answer::ok(&cursor::list(&page, rows, |call| call.id.to_string(), ToolCallShape::from))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCredential {
    secret: Zeroizing<String>,
}

impl Shape for NewCredential {
    const DESCRIPTION: &'static str = r#"{"secret": string}"#;
}

/// The event that tells of a credential.
fn credential_event(
    app: &App,
    action: AuditAction,
    scope: &Scope,
    key: &CredentialKey,
    by: &Attribution,
) -> EventDraft {
    let detail = Detail { connector: Some(key.connector.to_string()), ..Detail::default() };
    app.event(action, key.registered_user.to_string(), scope, by, detail)
}

async fn put_credential(app: &App, principal: &Principal, key: CredentialKey, call: Call) -> Answer {
    let (scope, by) = (&principal.scope(), call.by(principal.actor()));
    let NewCredential { secret } = body::json(app, call).await?;
    if secret.is_empty() || secret.len() > MAX_SECRET {
        return Err(Problem::new(Code::InvalidRequest, "a secret has 1 to 16384 bytes"));
    }
    let event = credential_event(app, AuditAction::CredentialPut, scope, &key, &by);
    let now = event.time;
    let put = |sealed| {
        let CredentialKey { registered_user, connector } = key.clone();
        let record = Credential { registered_user, connector, sealed, created_at: now, updated_at: now };
        credentials(app).put(scope, record, event.clone())
    };
    let secret = (scope, &*key.to_string(), secret.as_bytes());
    match write_sealed(app.store(), app.sealing_key(), secret, &**app.core().random(), put).await {
        Ok(()) => {
            app.linker().revoke_soon();
            answer::no_content()
        }
        Err(SealingError::Store(StoreError::Missing)) => Err(absent("registered user", scope.environment())),
        Err(SealingError::Store(error)) => Err(failed(error)),
        Err(SealingError::Random(error)) => Err(Problem::new(Code::Internal, error.to_string())),
    }
}

async fn read_credential(app: &App, scope: &Scope, key: CredentialKey) -> Answer {
    let found = credentials(app).get(scope, &key).await.map_err(failed)?;
    let credential = found.ok_or_else(|| absent("credential", scope.environment()))?;
    answer::ok(&CredentialShape::from(credential))
}

async fn delete_credential(app: &App, scope: &Scope, key: CredentialKey, by: &Attribution) -> Answer {
    let event = credential_event(app, AuditAction::CredentialRemoved, scope, &key, by);
    match credentials(app).delete(scope, &key, event).await.map_err(failed)? {
        true => {
            app.linker().revoke_soon();
            answer::no_content()
        }
        false => Err(absent("credential", scope.environment())),
    }
}
