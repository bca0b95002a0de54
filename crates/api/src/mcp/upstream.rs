//! Calling a tool of a connector's own server: by HTTP, or as an MCP client in turn.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use doorward_http::Problem;
use doorward_link::client::{Client, Endpoint, SendError};
use doorward_link::{Upstream, UpstreamProtocol, UpstreamToken};
use doorward_types::{Causes, Foreign};
use futures_util::stream::BoxStream;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientJsonRpcMessage, ClientRequest, ContentBlock, ErrorData, JsonObject,
    ProtocolVersion, ServerJsonRpcMessage,
};
use rmcp::service::{ClientLifecycleMode, serve_client_with_lifecycle};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::{
    StreamableHttpClient, StreamableHttpClientTransportConfig, StreamableHttpError, StreamableHttpPostResponse,
};
use sse_stream::{Sse, SseStream};

use super::refusal::refused;
use crate::code::Code;

/// The time that an upstream may take for all steps of a call.
const UPSTREAM_TIMEOUT: Duration = Duration::from_secs(30);

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// Calls the tool. The model reads the upstream's own failures, which never hold the token.
pub(super) async fn call(client: &Client, upstream: &Upstream, tool: String, arguments: JsonObject) -> CallToolResult {
    let called = async {
        match upstream.protocol {
            UpstreamProtocol::Http => by_http(client, upstream, &tool, &arguments).await,
            UpstreamProtocol::Mcp => by_mcp(client, upstream, tool, arguments).await,
        }
    };
    match tokio::time::timeout(UPSTREAM_TIMEOUT, called).await {
        Ok(Ok(result)) => result,
        Ok(Err(detail)) => refused(&Problem::new(Code::UpstreamFailed, detail)),
        Err(_) => {
            refused(&Problem::new(Code::UpstreamFailed, "the connector's server gave no answer within 30 seconds"))
        }
    }
}

async fn by_http(
    client: &Client,
    upstream: &Upstream,
    tool: &str,
    arguments: &JsonObject,
) -> Result<CallToolResult, String> {
    let endpoint = upstream.endpoint.below(tool).ok_or("a tool cannot have this name")?;
    let headers = headers(&upstream.token, "application/json")?;
    let body = serde_json::to_vec(arguments).map_err(|_| "the arguments cannot be written")?;
    let answer = client
        .post(&endpoint, headers, body, UPSTREAM_TIMEOUT)
        .await
        .map_err(|error| format!("the connector's server: {error}"))?;
    let (status, body) = (answer.status(), answer.body());
    let text = String::from_utf8_lossy(body);
    Ok(match (status.is_success(), serde_json::from_slice(body)) {
        (true, Ok(value)) => CallToolResult::structured(value),
        (true, Err(_)) => CallToolResult::success(vec![ContentBlock::text(text)]),
        (false, _) => CallToolResult::error(vec![ContentBlock::text(format!("{status}\n{text}"))]),
    })
}

fn headers(token: &UpstreamToken, accept: &'static str) -> Result<HeaderMap, &'static str> {
    let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()))
        .map_err(|_| "the user's credential cannot stand in a header")?;
    bearer.set_sensitive(true);
    Ok(HeaderMap::from_iter([
        (AUTHORIZATION, bearer),
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (ACCEPT, HeaderValue::from_static(accept)),
    ]))
}

async fn by_mcp(
    client: &Client,
    upstream: &Upstream,
    tool: String,
    arguments: JsonObject,
) -> Result<CallToolResult, String> {
    let headers = headers(&upstream.token, "application/json, text/event-stream")?;
    let http = Http { client: client.clone(), endpoint: upstream.endpoint.clone(), headers };
    let config = StreamableHttpClientTransportConfig::with_uri(upstream.endpoint.to_string());
    let transport = StreamableHttpClientTransport::with_client(http, config);
    // The current specification if the upstream speaks it, else the handshake of earlier versions.
    let lifecycle =
        ClientLifecycleMode::Auto { preferred_versions: vec![ProtocolVersion::LATEST], legacy_version: None };
    let session = serve_client_with_lifecycle((), transport, lifecycle).await.map_err(|error| failed(&error))?;
    let request = CallToolRequestParams::new(tool).with_arguments(arguments);
    let result = session.call_tool(request).await;
    let _ = session.cancel().await;
    match result {
        Ok(result) => Ok(result),
        Err(rmcp::ServiceError::McpError(error)) => {
            Ok(CallToolResult::error(vec![ContentBlock::text(error.message.into_owned())]))
        }
        Err(error) => Err(failed(&error)),
    }
}

fn failed(error: &(dyn std::error::Error + 'static)) -> String {
    // The error may hold the server's own text.
    tracing::warn!(error = %Foreign::new(Causes(error)), "a connector's MCP server failed");
    "the connector's MCP server does not answer properly; Doorward's log has the reason".to_owned()
}

/// The library's client over ours, which uses https, follows no redirects, and limits what it reads.
#[derive(Clone)]
struct Http {
    client: Client,
    endpoint: Endpoint,
    headers: HeaderMap,
}

type PostError = StreamableHttpError<SendError>;

impl StreamableHttpClient for Http {
    type Error = SendError;

    async fn post_message(
        &self,
        _: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        _: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, PostError> {
        let mut headers = self.headers.clone();
        headers.extend(custom_headers);
        if let Some(id) = session_id.as_deref().and_then(|id| HeaderValue::try_from(id).ok()) {
            headers.insert(SESSION_ID, id);
        }
        let body = serde_json::to_vec(&message)?;
        let answer =
            self.client.post(&self.endpoint, headers, body, UPSTREAM_TIMEOUT).await.map_err(PostError::Client)?;
        read(answer, &message, session_id.is_some())
    }

    async fn delete_session(
        &self,
        _: Arc<str>,
        _: Arc<str>,
        _: Option<String>,
        _: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), PostError> {
        Err(PostError::ServerDoesNotSupportDeleteSession)
    }

    async fn get_stream(
        &self,
        _: Arc<str>,
        _: Option<Arc<str>>,
        _: Option<String>,
        _: Option<String>,
        _: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, sse_stream::Error>>, PostError> {
        Err(PostError::ServerDoesNotSupportSse)
    }
}

/// Reads the answer to a message (the specification's section "Sending messages to the server").
fn read(
    answer: Response<Bytes>,
    message: &ClientJsonRpcMessage,
    in_session: bool,
) -> Result<StreamableHttpPostResponse, PostError> {
    let (head, body) = answer.into_parts();
    let status = head.status;
    let header = |name: HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
    let session_id = header(SESSION_ID).map(str::to_owned);
    let kind = header(CONTENT_TYPE).and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    match kind {
        _ if matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT) => {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        _ if status == StatusCode::NOT_FOUND && in_session => return Err(PostError::SessionExpired),
        "text/event-stream" if status.is_success() => {
            let events = SseStream::new(Full::new(body));
            return Ok(StreamableHttpPostResponse::Sse(Box::pin(events), session_id));
        }
        _ => {}
    }
    let is_refusal = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    match (serde_json::from_slice(&body), message) {
        // A server of an earlier specification refuses the first question of the current one: each such refusal is an answer.
        (parsed, ClientJsonRpcMessage::Request(request))
            if !is_refusal
                && status.is_client_error()
                && matches!(request.request, ClientRequest::DiscoverRequest(_)) =>
        {
            let error = match parsed {
                Ok(ServerJsonRpcMessage::Error(refusal)) => refusal.error,
                _ => ErrorData::invalid_request(format!("server/discover: HTTP {status}"), None),
            };
            let refusal = ServerJsonRpcMessage::error(error, Some(request.id.clone()));
            Ok(StreamableHttpPostResponse::Json(refusal, None))
        }
        (Ok(parsed), _) if !is_refusal => Ok(StreamableHttpPostResponse::Json(parsed, session_id)),
        _ => Err(PostError::UnexpectedServerResponse(format!("HTTP {status}").into())),
    }
}
