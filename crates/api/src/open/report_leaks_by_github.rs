//! `POST /v1/leak-reports/github` `[{"token","type","url"?,"source"?}]`: takes a report of GitHub's secret scanning, which GitHub
//! signs.
//!
//! Answers 200 with the feedback about each token. The service's policies say the rest, after the answer. Errors: 400
//! `invalid_request`; 403 `invalid_signature`; 404 `not_found` if the service takes no such reports; 503 `not_current` if the keys
//! of GitHub cannot be fetched, or if this node is not up to date.

use std::sync::Arc;

use doorward_auth::{LeakReport, Reported};
use doorward_http::Problem;
use doorward_secret_scanning::{Label, ReportError, feedback};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};

use super::open_call::OpenCall;
use crate::answer::{Body, HandlerResult};
use crate::body;
use crate::code::Code;
use crate::leaks::{in_force, is_current, plain, take_all};
use crate::lifecycle::UnderWay;

/// The most bytes of a report: a thousand tokens with their URLs.
const MAX_REPORT: usize = 1024 * 1024;

pub(super) async fn handle(call: OpenCall<'_>) -> HandlerResult {
    let OpenCall { state, request, .. } = call;
    let off =
        || Problem::new(Code::NotFound, "this service takes no reports of GitHub; its operator can switch them on");
    let keys = state.partner_keys.as_ref().ok_or_else(off)?;
    let by = LeakReport::default().with_source_address(request.sender.address).with_request_id(request.id);
    let (head, bytes) = body::read_up_to(MAX_REPORT, state, request).await?;
    let tokens = keys.verify(&head.headers, &bytes).await.map_err(refused)?;
    is_current(state)?;
    let judged = tokens.iter().map(|token| match state.verifier.reported(token.token.as_bytes()) {
        Reported::Unknown => (token, Label::FalsePositive),
        _ => (token, Label::TruePositive),
    });
    let mut response = Response::new(Body::from(feedback(judged)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let (state, under_way) = (Arc::clone(state), UnderWay::of(&state.lifecycle));
    tokio::spawn(async move {
        let all: Vec<_> = tokens.iter().map(|token| token.token.clone()).collect();
        let report = |source: &Option<String>, url: &Option<String>| {
            let reporter = source.as_deref().and_then(|source| format!("GitHub: {source}").parse().ok());
            let url = url.as_deref().and_then(|url| plain(url, state.verifier.prefix(), &all));
            by.clone().with_reporter(reporter.or_else(|| "GitHub".parse().ok())).with_url(url)
        };
        let texts = tokens.iter().map(|token| (token.token.as_str(), || report(&token.source, &token.url)));
        let leaked = in_force(&state, texts);
        drop((tokens, all));
        take_all(&state, leaked).await;
        drop(under_way);
    });
    Ok(response)
}

fn refused(error: ReportError) -> Problem {
    let (code, error_of): (_, &dyn std::error::Error) = match &error {
        ReportError::BadSignature | ReportError::UnknownKey => (Code::InvalidSignature, &error),
        error if error.is_fault_of_sender() => (Code::InvalidRequest, error),
        error => (Code::NotCurrent, error),
    };
    // Anybody can send what GitHub has not signed, so that no line of the log is at stake.
    tracing::debug!(error = error_of, "a report of leaked keys was not taken");
    Problem::new(code, error.to_string())
}
