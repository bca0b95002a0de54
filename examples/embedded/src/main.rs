//! A service of your own with access keys: the core is linked in-process, and there is no other server.
//!
//! `cargo run --package embedded` keeps its keys in `embedded.db`, prints the first one,
//! and greets whoever sends it:
//!
//! ```text
//! curl -H 'Authorization: Bearer <key>' http://127.0.0.1:8090/
//! ```

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use doorward::auth::{Core, IssueError, Issuer, OperatorPrincipal, Principal, Verifier};
use doorward::http::AccessKeyLayer;
use doorward::sqlite::SqliteStore;
use doorward::store::OpenMode;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::ServiceBuilder;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "embedded.db".to_owned());
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8090".to_owned());

    // 1. A store, and a node that verifies from memory.
    let store = SqliteStore::open(path, OpenMode::Create).await?;
    let verifier = Verifier::start(&Core::new(Arc::new(store))).await?;

    // 2. An organization with its production key, on the first start.
    let issuer = Issuer::beside(&verifier);
    #[expect(clippy::disallowed_methods, reason = "this program opens the store itself")]
    let administrator = OperatorPrincipal::local_administrator("embedded".parse()?);
    match issuer.provision_first("my-service".parse()?, &administrator.request()).await {
        Ok(made) => println!("production key, shown this one time: {}", made.value.expose()),
        Err(IssueError::NotEmpty) => {}
        Err(error) => return Err(error.into()),
    }

    // 3. The layer in front of a service, which finds the principal in the request's extensions.
    let service = ServiceBuilder::new().layer(AccessKeyLayer::new(verifier.clone())).service_fn(greet);

    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service.clone()));
        tokio::spawn(connection);
    }
}

async fn greet(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let greeting = match request.extensions().get::<Principal>() {
        Some(principal) => format!("Hello {} in {}!\n", principal.organization_name(), principal.environment()),
        None => "Nobody comes through the layer without a principal.\n".to_owned(),
    };
    Ok(Response::new(Full::from(greeting)))
}
