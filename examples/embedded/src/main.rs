//! A service with access keys that needs no other server: Doorward's core is linked into it.
//!
//! `cargo run --package embedded` stores its keys in `embedded.db`, prints the first key, and greets each caller by organization:
//!
//! ```text
//! curl -H 'Authorization: Bearer <key>' http://127.0.0.1:8090/
//! ```

use std::error::Error;
use std::pin::pin;

use bytes::Bytes;
use doorward::AccessKeys;
use doorward::http::{PrincipalError, principal};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::ServiceBuilder;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example prints for its user")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "embedded.db".to_owned());
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8090".to_owned());

    // 1. A store, and a node that verifies from memory.
    let keys = AccessKeys::open(format!("sqlite:{path}")).start().await?;

    // 2. An organization with its production key, on the first start.
    if let Some(first) = keys.provision_first("my-service").await? {
        println!("production key, shown this one time: {}", first.value.expose());
    }

    // 3. The layer in front of a service. The service finds the principal in the request's extensions.
    let service = ServiceBuilder::new().layer(keys.layer()).service_fn(greet);

    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let connections = GracefulShutdown::new();
    let mut end = pin!(keys.until_signal());
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            () = &mut end => break,
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service.clone()));
        tokio::spawn(connections.watch(connection));
    }

    // 4. The end: requests under way are answered, then the node leaves the store.
    connections.shutdown().await;
    keys.stop().await?;
    Ok(())
}

async fn greet(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, PrincipalError> {
    let principal = principal(request.extensions())?;
    let greeting = format!("Hello {} in {}!\n", principal.organization_name(), principal.environment());
    Ok(Response::new(Full::from(greeting)))
}
