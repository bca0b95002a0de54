//! The audit logs: listed behind both doors; exported, and vouched for, behind the operator's.

use std::sync::Arc;

use bytes::Bytes;
use doorward::audit::{Checkpoint, ExportFormat};
use doorward::auth::OperatorPrincipal;
use doorward::http::shapes::CheckpointShape;
use doorward::http::{Code, Problem};
use doorward::store::{
    AuditLog, EventFilter, LogCheck, LogExport, LogFault, Page, Scope, must_have_events, verify_log,
};
use doorward::types::{AccessKeyId, Environment, OrganizationId};
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body_util::channel::{Channel, Sender};

use crate::answer::{self, Answer, Body, BodyError};
use crate::app::{App, Call};
use crate::backend;
use crate::budget::Holder;
use crate::cursor::{self, Parameters};
use crate::management;

/// What the query of a list may say beside the page.
const PARAMETERS: [&str; 5] = ["since", "until", "action", "actor", "key"];

/// What says which of the two logs, to whoever may see both.
pub(crate) const ENVIRONMENT: &str = "environment";

/// Pages of an export that wait for a slow client.
const PAGES_AHEAD: usize = 2;

/// The log of the key's own environment, newest first.
pub(crate) async fn list_own(app: &App, key: AccessKeyId, scope: &Scope, call: &Call) -> Answer {
    let (page, parameters) = cursor::query(call.uri(), &PARAMETERS)?;
    list_one(app, Holder::Key(key), scope, page, &parameters).await
}

/// The log of an operator's choice, newest first.
pub(crate) async fn list(
    app: &App,
    management: &OperatorPrincipal,
    organization: OrganizationId,
    call: &Call,
) -> Answer {
    let names = [&[ENVIRONMENT], &PARAMETERS[..]].concat();
    let (page, parameters) = cursor::query(call.uri(), &names)?;
    let scope = chosen(app, management, organization, &parameters).await?;
    list_one(app, operator(management), &scope, page, &parameters).await
}

/// Returns whose part of the budget for scans an operator's read takes.
fn operator(management: &OperatorPrincipal) -> Holder {
    Holder::Operator(management.actor().clone())
}

async fn list_one(app: &App, by: Holder, scope: &Scope, page: Page<u64>, parameters: &Parameters) -> Answer {
    let filter = EventFilter {
        since: parameters.get("since")?,
        until: parameters.get("until")?,
        action: parameters.get("action")?,
        actor: parameters.get("actor")?,
        subject: parameters.get::<AccessKeyId>("key")?.map(|key| key.to_string()),
    };
    // A filter that fits few events reads all of the log.
    let _share = if filter == EventFilter::default() { None } else { Some(app.budgets().scan(by)?) };
    let rows = AuditLog::events(app.store(), scope, &filter, cursor::one_more(&page)).await.map_err(backend::failed)?;
    answer::ok(&cursor::list(&page, rows, |event| event.sequence.to_string(), |event| event))
}

#[expect(clippy::disallowed_methods, reason = "the operator who is authenticated chooses the log")]
pub(crate) async fn chosen(
    app: &App,
    management: &OperatorPrincipal,
    organization: OrganizationId,
    parameters: &Parameters,
) -> Result<Scope, Problem> {
    app.issuer().organization(management, organization).await.map_err(management::failed)?;
    let environment = parameters.get::<Environment>(ENVIRONMENT)?.ok_or_else(|| {
        Problem::new(Code::InvalidRequest, "say which log, with `?environment=production` or `?environment=test`")
    })?;
    Ok(management.scope(organization, environment))
}

/// A whole log, oldest event first. It goes out as it is read; where that fails, the body breaks off, which every client
/// sees. That it was exported is an event, the last one in it.
pub(crate) async fn export(
    app: &App,
    management: &OperatorPrincipal,
    organization: OrganizationId,
    call: &Call,
) -> Answer {
    let parameters = cursor::parameters(call.uri(), &[ENVIRONMENT, "format"])?;
    let format = parameters.get::<ExportFormat>("format")?.unwrap_or_default();
    let scope = chosen(app, management, organization, &parameters).await?;
    let share = app.budgets().scan(operator(management))?;
    let environment = scope.environment();
    let request = call.change_request(management)?;
    let store = Arc::clone(app.core().store());
    let export =
        LogExport::begin(store, scope, request.attribution(), app.clock().now()).await.map_err(backend::failed)?;
    let (sender, channel) = Channel::new(PAGES_AHEAD);
    tokio::spawn(async move {
        send(export, format, sender).await;
        drop(share);
    });

    let mut response = Response::new(Body::streamed(channel));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let file = format!("attachment; filename=\"audit-{organization}-{environment}.{format}\"");
    if let Ok(file) = HeaderValue::try_from(file) {
        headers.insert(CONTENT_DISPOSITION, file);
    }
    Ok(response)
}

async fn send(mut export: LogExport, format: ExportFormat, mut sender: Sender<Bytes, BodyError>) {
    let mut text = format.header();
    loop {
        match export.next_page().await {
            Ok(page) if page.is_empty() => break,
            Ok(page) => text.extend(page.iter().map(|event| format.line(event))),
            Err(fault) => {
                tracing::error!(error = &fault as &dyn std::error::Error, "an export broke off");
                return sender.abort("the export broke off".into());
            }
        }
        if sender.send_data(Bytes::from(std::mem::take(&mut text))).await.is_err() {
            // Whoever asked for it has gone.
            return;
        }
    }
    if !text.is_empty() {
        let _ = sender.send_data(Bytes::from(text)).await;
    }
}

/// A signed checkpoint of a log, which is verified first.
pub(crate) async fn checkpoint(
    app: &App,
    management: &OperatorPrincipal,
    organization: OrganizationId,
    call: &Call,
) -> Answer {
    let parameters = cursor::parameters(call.uri(), &[ENVIRONMENT])?;
    let scope = chosen(app, management, organization, &parameters).await?;
    let key = app.signing_key().ok_or_else(|| {
        Problem::new(
            Code::NotConfigured,
            "this server signs no checkpoints: `doorward audit keygen` makes a key, and --signing-key-file names it",
        )
    })?;
    let _share = app.budgets().scan(operator(management))?;
    let verifier = [key.verifier(&Checkpoint::origin_of(organization, scope.environment()))];
    let must_have_events = must_have_events(&**app.core().store(), &scope).await.map_err(backend::failed)?;
    let check = LogCheck { keys: &verifier, must_have_events, ..LogCheck::default() };
    let fault = match verify_log(app.store(), &scope, &check, &mut |_| {}).await {
        Ok(verified) => match CheckpointShape::new(&verified, &key) {
            Ok(shape) => return answer::ok(&shape),
            Err(unproved) => unproved.to_string(),
        },
        Err(LogFault::Store(error)) => return Err(backend::failed(error)),
        Err(fault) => fault.to_string(),
    };
    tracing::error!(fault, %organization, "a log does not verify");
    Err(Problem::new(Code::Conflict, format!("{fault}: no checkpoint is made of such a log")))
}
