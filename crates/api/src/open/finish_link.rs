//! `GET /oauth/callback/{reference}`: takes browsers back from third parties. It is a connector's redirect URI.
//!
//! Answers 303 to the link session's `callback_url`, or a plain page. `GET /oauth/callback` was the redirect URI of all
//! connectors once, and answers with a page that says so.

use doorward_http::Problem;

use super::onward::onward;
use super::open_call::OpenCall;
use crate::answer::HandlerResult;
use crate::code::Code;
use crate::lifecycle::UnderWay;

/// The work goes on if the browser leaves, and the server does not stop before its end.
pub(super) async fn handle(call: OpenCall<'_>) -> HandlerResult {
    let OpenCall { state, params, request } = call;
    let reference = params.get("reference").map(str::to_owned);
    let (query, headers) = (request.uri().query().unwrap_or_default().to_owned(), request.head.headers);
    let (linker, under_way) = (state.linker()?.clone(), UnderWay::of(&state.lifecycle));
    let finished = tokio::spawn(async move {
        let _under_way = under_way;
        linker.finish(reference.as_deref(), &query, &headers).await
    });
    onward(finished.await.map_err(|_| Problem::new(Code::Internal, "the server failed at this request"))?)
}
