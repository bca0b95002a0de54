//! `GET /v1/organizations/{organization}/audit-events/export?environment=&format=jsonl|csv`: exports a whole audit log,
//! oldest event first, as it is read.
//!
//! The export itself is the last event in it. A body that breaks off is not whole. Errors: 404 `not_found`; 429
//! `too_many_requests` and 503 `overloaded` if too many exports are under way.

use std::sync::Arc;

use bytes::Bytes;
use doorward_audit::ExportFormat;
use doorward_auth::OperatorPrincipal;
use doorward_store::LogExport;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body_util::channel::{Channel, Sender};
use matchit::Params;

use super::input::holder;
use crate::answer::{Answer, Body, BodyError};
use crate::call::{Call, organization};
use crate::cursor;
use crate::problem::store_failed;
use crate::state::{ENVIRONMENT, State};

/// Pages of an export that wait for a slow client.
const PAGES_AHEAD: usize = 2;

pub(super) async fn handle(
    state: &State,
    management: &OperatorPrincipal,
    params: &Params<'_, '_>,
    call: &Call,
) -> Answer {
    let organization = organization(params)?;
    let parameters = cursor::parameters(call.uri(), &[ENVIRONMENT, "format"])?;
    let format = parameters.get::<ExportFormat>("format")?.unwrap_or_default();
    let scope = state.chosen(management, organization, &parameters).await?;
    let share = state.budgets.scan(holder(management))?;
    let environment = scope.environment();
    let request = call.change_request(management)?;
    let store = Arc::clone(state.core().store());
    let export =
        LogExport::begin(store, scope, request.attribution(), state.clock().now()).await.map_err(store_failed)?;
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
            // The client has gone.
            return;
        }
    }
    if !text.is_empty() {
        let _ = sender.send_data(Bytes::from(text)).await;
    }
}
