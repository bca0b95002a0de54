//! An MCP server of your own, whose tools know who calls. README.md says how to run it.

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use doorward::auth::{Core, IssueError, Issuer, OperatorPrincipal, Principal, Verifier};
use doorward::http::AccessKeyLayer;
use doorward::sqlite::SqliteStore;
use doorward::store::OpenMode;
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
    /// Greets whose key it is.
    #[tool]
    async fn greet(
        &self,
        Parameters(Greeting { word }): Parameters<Greeting>,
        Extension(request): Extension<Parts>,
    ) -> Result<String, ErrorData> {
        // What the layer left in the request comes along with every call.
        let principal: &Principal = request
            .extensions
            .get()
            .ok_or_else(|| ErrorData::internal_error("the service stands without an AccessKeyLayer", None))?;
        Ok(format!("{word} {} in {}!", principal.organization_name(), principal.environment()))
    }
}

#[tool_handler]
impl ServerHandler for Greeter {}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "mcp.db".to_owned());
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8094".to_owned());

    let store = SqliteStore::open(path, OpenMode::Create).await?;
    let verifier = Verifier::start(&Core::new(Arc::new(store))).await?;
    #[expect(clippy::disallowed_methods, reason = "this program opens the store itself")]
    let administrator = OperatorPrincipal::local_administrator("mcp".parse()?);
    match Issuer::beside(&verifier).provision_first("my-service".parse()?, &administrator.request()).await {
        Ok(made) => println!("production key, shown this one time: {}", made.value.expose()),
        Err(IssueError::NotEmpty) => {}
        Err(error) => return Err(error.into()),
    }

    // Stateless, so that the key of each request decides; add your own host's name to those of this machine.
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .enforce_origin_validation();
    let mcp = StreamableHttpService::new(|| Ok(Greeter), Arc::new(NeverSessionManager::default()), config);
    let router = Router::new().route_service("/mcp", mcp).layer(AccessKeyLayer::new(verifier));
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}/mcp", listener.local_addr()?);
    axum::serve(listener, router).await?;
    Ok(())
}
