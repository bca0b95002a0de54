//! Handlers behind an operator's token.

use std::str::FromStr;

use doorward::auth::{Allowed, IssueError, OperatorPrincipal, OriginRefusal, StagedKey};
use doorward::http::shapes::{
    AccessKeyShape, AllowedOriginShape, CreatedShape, List, OrganizationShape, OriginCheckShape, ProvisionedShape,
    RegeneratedShape, StagedShape,
};
use doorward::http::{Code, Problem};
use doorward::origin::AllowedOrigin;
use doorward::types::{AccessKeyId, AllowedOriginId, Name, OrganizationId};
use http::StatusCode;
use matchit::Params;
use serde::Deserialize;

use crate::answer::{self, Answer};
use crate::app::{App, Call};
use crate::body::{self, Shape};
use crate::cursor;
use crate::routes::Action;
use crate::{audit, backend, link};

pub(crate) async fn handle(
    app: &App,
    action: Action,
    params: &Params<'_, '_>,
    management: &OperatorPrincipal,
    call: Call,
) -> Answer {
    let organization = || id(params, "organization", IssueError::NoSuchOrganization);
    match action {
        Action::CreateOrganization => create_organization(app, management, call).await,
        Action::ListOrganizations => list_organizations(app, management, &call).await,
        Action::ReadOrganization => read_organization(app, management, organization()?).await,
        Action::ListKeys => list_keys(app, management, organization()?).await,
        Action::CreateKey => create_key(app, management, organization()?, call).await,
        Action::DeleteKey => {
            let organization = organization()?;
            let key: AccessKeyId = id(params, "key", IssueError::NoSuchKey)?;
            let request = call.change_request(management)?;
            answer::ok(&app.issuer().delete(organization, key, &request).await.map_err(failed)?)
        }
        Action::StageKey => stage_key(app, management, organization()?, call).await,
        Action::UnstageKey => {
            let request = call.change_request(management)?;
            answer::ok(&app.issuer().unstage(organization()?, &request).await.map_err(failed)?)
        }
        Action::RegenerateKey => regenerate_key(app, management, organization()?, call).await,
        Action::ListConnectors => link::connectors(app, management, organization()?, &call).await,
        Action::PutConnector => link::put_connector(app, management, organization()?, params, call).await,
        Action::RemoveConnector => link::remove_connector(app, management, organization()?, params, &call).await,
        Action::ListOrigins => list_origins(app, management, organization()?).await,
        Action::AddOrigin => add_origin(app, management, organization()?, call).await,
        Action::RemoveOrigin => {
            let organization = organization()?;
            let entry: AllowedOriginId = id(params, "origin", IssueError::NoSuchOrigin)?;
            let request = call.change_request(management)?;
            answer::ok(&app.issuer().disallow_origin(organization, entry, &request).await.map_err(failed)?)
        }
        Action::CheckOrigin => check_origin(app, management, organization()?, call).await,
        Action::ListEvents => audit::list(app, management, organization()?, &call).await,
        Action::ExportEvents => audit::export(app, management, organization()?, &call).await,
        Action::Checkpoint => audit::checkpoint(app, management, organization()?, &call).await,
        _ => Err(Problem::new(Code::Internal, "this route has no handler")),
    }
}

/// A text that cannot be an id names something that does not exist.
fn id<T: FromStr>(params: &Params<'_, '_>, name: &str, absent: IssueError) -> Result<T, Problem> {
    params.get(name).and_then(|text| text.parse().ok()).ok_or_else(|| absent.into())
}

/// What the core said goes to the log; what the caller may know goes into the answer.
pub(crate) fn failed(error: IssueError) -> Problem {
    match error {
        IssueError::Store(error) => backend::failed(error),
        other => other.into(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewName {
    name: Name,
}

impl Shape for NewName {
    const DESCRIPTION: &'static str = r#"{"name": string}, where a name is one printable line of at most 128 bytes"#;
}

async fn create_organization(app: &App, management: &OperatorPrincipal, call: Call) -> Answer {
    let request = call.change_request(management)?;
    let NewName { name } = body::json(app, call).await?;
    let made = app.issuer().provision(name, &request).await.map_err(failed)?;
    answer::created(&ProvisionedShape::from(&made))
}

async fn list_organizations(app: &App, management: &OperatorPrincipal, call: &Call) -> Answer {
    let page = cursor::page(call.uri())?;
    let rows = app.issuer().organizations(management, cursor::one_more(&page)).await.map_err(failed)?;
    answer::ok(&cursor::list(&page, rows, |found| found.id.to_string(), OrganizationShape::from))
}

async fn read_organization(app: &App, management: &OperatorPrincipal, id: OrganizationId) -> Answer {
    answer::ok(&OrganizationShape::from(app.issuer().organization(management, id).await.map_err(failed)?))
}

async fn list_keys(app: &App, management: &OperatorPrincipal, organization: OrganizationId) -> Answer {
    let keys = app.issuer().access_keys(management, organization).await.map_err(failed)?;
    let usage = app.issuer().usage(management, &keys).await.map_err(failed)?;
    let data = keys.into_iter().map(|found| AccessKeyShape::new(found, &usage)).collect();
    answer::ok(&List { data, next_cursor: None })
}

async fn create_key(app: &App, management: &OperatorPrincipal, organization: OrganizationId, call: Call) -> Answer {
    let request = call.change_request(management)?;
    let NewName { name } = body::json(app, call).await?;
    let made = app.issuer().create(organization, name, &request).await.map_err(failed)?;
    answer::created(&CreatedShape::from(&made))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl Shape for Nothing {
    const DESCRIPTION: &'static str = "{}, or no body at all";
}

async fn stage_key(app: &App, management: &OperatorPrincipal, organization: OrganizationId, call: Call) -> Answer {
    let request = call.change_request(management)?;
    let Nothing {} = body::json_or_default(app, call).await?;
    let staged = app.issuer().stage(organization, &request).await.map_err(failed)?;
    answer::created(&StagedShape::from(&staged))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Regeneration {
    #[serde(default)]
    discard_staged: bool,
}

impl Shape for Regeneration {
    const DESCRIPTION: &'static str = r#"{"discard_staged"?: boolean}, or no body at all"#;
}

async fn regenerate_key(app: &App, management: &OperatorPrincipal, organization: OrganizationId, call: Call) -> Answer {
    let request = call.change_request(management)?;
    let Regeneration { discard_staged } = body::json_or_default(app, call).await?;
    let staged = if discard_staged { StagedKey::Discard } else { StagedKey::Promote };
    let regenerated = app.issuer().regenerate(organization, staged, &request).await.map_err(failed)?;
    answer::ok(&RegeneratedShape::from(&regenerated))
}

async fn list_origins(app: &App, management: &OperatorPrincipal, organization: OrganizationId) -> Answer {
    let organization = app.issuer().organization(management, organization).await.map_err(failed)?;
    let entries = app.issuer().allowed_origins(management, &organization).await.map_err(failed)?;
    let data: Vec<_> = entries.iter().map(|entry| AllowedOriginShape::new(entry, None)).collect();
    answer::ok(&List { data, next_cursor: None })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewOrigin {
    origin: String,
}

impl Shape for NewOrigin {
    const DESCRIPTION: &'static str = r#"{"origin": string}, such as "app.example.com" or "localhost:3000""#;
}

/// 201 where it is new, 200 where it was there.
async fn add_origin(app: &App, management: &OperatorPrincipal, organization: OrganizationId, call: Call) -> Answer {
    let request = call.change_request(management)?;
    let NewOrigin { origin } = body::json(app, call).await?;
    let origin = AllowedOrigin::parse(&origin, app.custom_schemes())
        .map_err(|error| Problem::new(Code::InvalidRequest, error.to_string()))?;
    let Allowed { entry, receipt, .. } =
        app.issuer().allow_origin(organization, origin, &request).await.map_err(failed)?;
    let status = if receipt.is_some() { StatusCode::CREATED } else { StatusCode::OK };
    answer::json(status, &AllowedOriginShape::new(&entry, receipt))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Callback {
    url: String,
}

impl Shape for Callback {
    const DESCRIPTION: &'static str = r#"{"url": string}"#;
}

async fn check_origin(app: &App, management: &OperatorPrincipal, organization: OrganizationId, call: Call) -> Answer {
    app.issuer().organization(management, organization).await.map_err(failed)?;
    let Callback { url } = body::json(app, call).await?;
    let checked = match app.verifier().check_origin(organization, &url) {
        Ok(entry) => Ok(entry),
        Err(OriginRefusal::Refused(refusal)) => Err(refusal),
        Err(refusal) => return Err(refusal.into()),
    };
    answer::ok(&OriginCheckShape::new(&checked))
}
