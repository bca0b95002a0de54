//! Access keys in a service on axum. README.md says how to run it.

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use doorward::auth::{Core, IssueError, Issuer, OperatorPrincipal, Verifier};
use doorward::http::AccessKeyLayer;
use doorward::http::axum::AccessKey;
use doorward::sqlite::SqliteStore;
use doorward::store::OpenMode;
use doorward::types::Environment;
use tokio::net::TcpListener;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "axum.db".to_owned());
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8091".to_owned());

    let store = SqliteStore::open(path, OpenMode::Create).await?;
    let verifier = Verifier::start(&Core::new(Arc::new(store))).await?;
    #[expect(clippy::disallowed_methods, reason = "this program opens the store itself")]
    let administrator = OperatorPrincipal::local_administrator("axum".parse()?);
    match Issuer::beside(&verifier).provision_first("my-service".parse()?, &administrator.request()).await {
        Ok(made) => println!("production key, shown this one time: {}", made.value.expose()),
        Err(IssueError::NotEmpty) => {}
        Err(error) => return Err(error.into()),
    }

    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, router(AccessKeyLayer::new(verifier))).await?;
    Ok(())
}

fn router(layer: AccessKeyLayer) -> Router {
    // For production's keys only; what is refused here is 403.
    let billing = Router::new().route("/billing", get(greet)).with_state(layer.clone().only(Environment::Production));
    Router::new().route("/", get(greet)).route("/public", get(greet_anyone)).with_state(layer).merge(billing)
}

/// The extractor asks the layer in the router's state: without one, this does not compile.
async fn greet(AccessKey(principal): AccessKey) -> String {
    format!("Hello {} in {}!\n", principal.organization_name(), principal.environment())
}

/// Without a key, nobody in particular; a wrong key is refused all the same.
async fn greet_anyone(key: Option<AccessKey>) -> String {
    match key {
        Some(AccessKey(principal)) => format!("Hello {}!\n", principal.organization_name()),
        None => "Hello!\n".to_owned(),
    }
}
