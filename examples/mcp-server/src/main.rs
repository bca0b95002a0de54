//! An MCP server whose tools know the caller. README.md says how to run it.

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use doorward::AccessKeys;
use doorward::http::principal;
use http::request::Parts;
use rmcp::handler::server::tool::Extension;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, ServerHandler, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::net::TcpListener;

#[derive(Clone)]
struct Greeter;

#[derive(Deserialize, JsonSchema)]
struct Greeting {
    /// The word to greet with
    word: String,
}

#[tool_router]
impl Greeter {
    /// Greets the key's organization.
    #[tool]
    async fn greet(
        &self,
        Parameters(Greeting { word }): Parameters<Greeting>,
        Extension(request): Extension<Parts>,
    ) -> Result<String, ErrorData> {
        // Each call has the request's extensions, with the principal from the layer.
        let principal =
            principal(&request.extensions).map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        Ok(format!("{word} {} in {}!", principal.organization_name(), principal.environment()))
    }
}

#[tool_handler]
impl ServerHandler for Greeter {}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example prints for its user")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "mcp.db".to_owned());
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8094".to_owned());

    let keys = AccessKeys::open(format!("sqlite:{path}")).start().await?;
    if let Some(first) = keys.provision_first("my-service").await? {
        println!("production key, shown this one time: {}", first.value.expose());
    }

    // Stateless, so that each request needs a valid key. Add your server's host name to the list.
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .enforce_origin_validation();
    let mcp = StreamableHttpService::new(|| Ok(Greeter), Arc::new(NeverSessionManager::default()), config);
    let router = Router::new().route_service("/mcp", mcp).route_layer(keys.layer());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}/mcp", listener.local_addr()?);
    axum::serve(listener, router).with_graceful_shutdown(keys.until_signal()).await?;
    keys.stop().await?;
    Ok(())
}
