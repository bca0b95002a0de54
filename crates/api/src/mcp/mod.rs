//! `POST /mcp`: the Model Context Protocol, for agents that hold an access key.
//!
//! Stateless: every request carries the key, which was verified before it came here, and no session outlives it. Tools reach what
//! the key's scope reaches, and every call of one is recorded in that scope before it is made.

mod refusal;
mod tools;
mod upstream;

use std::sync::Arc;

use doorward_http::Problem;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::sync::watch;

use self::tools::Tools;
use crate::answer::{Body, HandlerResult};
use crate::backend::BackendCall;
use crate::body;
use crate::budget::MAX_BODY;
use crate::code::Code;

/// Answers one message of an MCP client.
pub(crate) async fn answer(call: BackendCall<'_>) -> HandlerResult {
    let by = call.attribution();
    let BackendCall { state, principal, request, .. } = call;
    let (mut head, body) = body::looked_at(state, request).await?;
    // The library knows the principal, and does not need the key.
    head.headers.remove(AUTHORIZATION);
    head.extensions.clear();

    // Every Origin is refused: keys belong to backends.
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(MAX_BODY)
        .with_allowed_hosts(&state.mcp_hosts)
        .enforce_origin_validation();
    // The library's tasks outlive a client that leaves: they find out by the end of this.
    let (_client, gone) = watch::channel(());
    let tools = Tools { state: Arc::clone(state), principal, by, client: gone };
    let service =
        StreamableHttpService::new(move || Ok(tools.clone()), Arc::new(NeverSessionManager::default()), config);
    let mut response = service.handle(Request::from_parts(head, Full::new(body))).await;
    // The library refuses invalid messages in its own words, which may quote the client.
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if response.status().is_client_error() && !is_json {
        return Err(match response.status() {
            StatusCode::FORBIDDEN => Problem::new(
                Code::ForbiddenHost,
                "the Host header is not a known name of this server: set --public-url, or add the name with --mcp-host",
            ),
            StatusCode::NOT_ACCEPTABLE => Problem::new(
                Code::NotAcceptable,
                "a client of MCP must accept both forms of an answer: `Accept: application/json, text/event-stream`",
            ),
            StatusCode::UNSUPPORTED_MEDIA_TYPE | StatusCode::UNPROCESSABLE_ENTITY => Problem::new(
                Code::InvalidRequest,
                "the body is not a message of MCP, which is one object of JSON-RPC 2.0",
            ),
            _ => Problem::new(
                Code::InvalidRequest,
                "a header is invalid for MCP: `Host`, `MCP-Protocol-Version`, `Mcp-Method` or `Mcp-Name`",
            ),
        });
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response.map(Body::streamed))
}
