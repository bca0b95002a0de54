//! Access keys in a service on axum. README.md says how to run it.

use std::error::Error;

use axum::Router;
use axum::routing::get;
use doorward::AccessKeys;
use doorward::http::axum::{AccessKey, ProductionKey};
use tokio::net::TcpListener;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example prints for its user")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "axum.db".to_owned());
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8091".to_owned());

    let keys = AccessKeys::open(format!("sqlite:{path}")).start().await?;
    if let Some(first) = keys.provision_first("my-service").await? {
        println!("production key, shown this one time: {}", first.value.expose());
    }

    let router = Router::new()
        .route("/", get(greet))
        .route("/billing", get(bill))
        .route("/public", get(greet_anyone))
        .with_state(keys.layer());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, router).with_graceful_shutdown(keys.until_signal()).await?;
    keys.stop().await?;
    Ok(())
}

/// The extractor uses the layer in the router's state. Without that state, this does not compile.
async fn greet(key: AccessKey) -> String {
    format!("Hello {} in {}!\n", key.organization_name(), key.environment())
}

/// A test key is refused with 403.
async fn bill(key: ProductionKey) -> String {
    format!("Hello {} in {}!\n", key.organization_name(), key.environment())
}

/// Without a key, the caller is anonymous. A wrong key is still refused.
async fn greet_anyone(key: Option<AccessKey>) -> String {
    match key {
        Some(key) => format!("Hello {}!\n", key.organization_name()),
        None => "Hello!\n".to_owned(),
    }
}
