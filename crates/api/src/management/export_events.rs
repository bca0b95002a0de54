//! `GET /v1/organizations/{organization}/audit-events/export?environment=&format=jsonl|csv`: exports a whole audit log,
//! oldest event first, as it is read.
//!
//! The export itself is the last event in it. A body that breaks off is not whole. Errors: 404 `not_found`; 429
//! `too_many_requests` and 503 `overloaded` if too many exports are under way.

use bytes::Bytes;
use doorward_audit::ExportFormat;
use doorward_store::LogExport;
use futures_util::StreamExt;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body::Frame;
use http_body_util::StreamBody;

use super::operator_call::{ENVIRONMENT, OperatorCall};
use crate::answer::{Body, HandlerResult};
use crate::cursor;
use crate::problem::store_failed;

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let state = call.state;
    let organization = call.organization()?;
    let parameters = cursor::parameters(call.uri(), &[ENVIRONMENT, "format"])?;
    let format = parameters.get::<ExportFormat>("format")?.unwrap_or_default();
    let scope = call.chosen(organization, &parameters).await?;
    let share = state.budgets.scan(call.holder())?;
    let environment = scope.environment();
    let change = call.change()?;
    let store = state.store.clone();
    let export =
        LogExport::begin(store, scope, change.attribution(), state.clock().now()).await.map_err(store_failed)?;
    let pages = export.texts(format).map(move |text| {
        let _held = &share;
        text.map(|text| Frame::data(Bytes::from(text))).inspect_err(|fault| {
            tracing::error!(error = fault as &dyn std::error::Error, "an export broke off");
        })
    });
    let mut response = Response::new(Body::streamed(StreamBody::new(pages)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let file = format!("attachment; filename=\"audit-{organization}-{environment}.{format}\"");
    if let Ok(file) = HeaderValue::try_from(file) {
        headers.insert(CONTENT_DISPOSITION, file);
    }
    Ok(response)
}
