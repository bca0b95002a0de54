//! Access keys in front of a gRPC service on tonic. README.md says how to run it.

use std::error::Error;
use std::sync::Arc;

use doorward::auth::{Core, IssueError, Issuer, OperatorPrincipal, Principal, Refusal, Verifier};
use doorward::http::{AccessKeyLayer, Problem, Rejection};
use doorward::sqlite::SqliteStore;
use doorward::store::OpenMode;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codegen::http::Request as HttpRequest;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

#[expect(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    unreachable_pub,
    unused_qualifications,
    reason = "generated"
)]
mod greeter;

use crate::greeter::greeter_client::GreeterClient;
use crate::greeter::greeter_server::{Greeter, GreeterServer};
use crate::greeter::{GreetReply, GreetRequest};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "grpc.db".to_owned());
    if path == "call" {
        let url = arguments.next().ok_or("call URL, with the key in DOORWARD_KEY")?;
        println!("{}", call(url, &std::env::var("DOORWARD_KEY")?).await?);
        return Ok(());
    }
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8093".to_owned());

    let store = SqliteStore::open(path, OpenMode::Create).await?;
    let verifier = Verifier::start(&Core::new(Arc::new(store))).await?;
    #[expect(clippy::disallowed_methods, reason = "this program opens the store itself")]
    let administrator = OperatorPrincipal::local_administrator("grpc".parse()?);
    match Issuer::beside(&verifier).provision_first("my-service".parse()?, &administrator.request()).await {
        Ok(made) => println!("production key, shown this one time: {}", made.value.expose()),
        Err(IssueError::NotEmpty) => {}
        Err(error) => return Err(error.into()),
    }

    let layer = AccessKeyLayer::new(verifier);
    let greeter = GreeterServer::with_interceptor(Hello, move |request| admit(&layer, request));
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Server::builder().add_service(greeter).serve_with_incoming(TcpListenerStream::new(listener)).await?;
    Ok(())
}

/// Metadata are headers, so that the rules are those of HTTP; a refusal is a status of gRPC.
fn admit(layer: &AccessKeyLayer, request: Request<()>) -> Result<Request<()>, Status> {
    let (metadata, mut extensions, ()) = request.into_parts();
    let mut asked = HttpRequest::new(());
    *asked.headers_mut() = metadata.clone().into_headers();
    extensions.insert(layer.authenticate(&asked).map_err(refused)?);
    Ok(Request::from_parts(metadata, extensions, ()))
}

fn refused(rejection: Rejection) -> Status {
    let problem = Problem::from(&rejection);
    match rejection {
        Rejection::Key(Refusal::NotCurrent) => Status::unavailable(problem.detail()),
        Rejection::InBrowser | Rejection::WrongEnvironment(_) => Status::permission_denied(problem.detail()),
        _ => Status::unauthenticated(problem.detail()),
    }
}

struct Hello;

#[tonic::async_trait]
impl Greeter for Hello {
    async fn greet(&self, request: Request<GreetRequest>) -> Result<Response<GreetReply>, Status> {
        let principal: &Principal =
            request.extensions().get().ok_or_else(|| Status::internal("the service stands without its interceptor"))?;
        let text = format!("Hello {} in {}!", principal.organization_name(), principal.environment());
        Ok(Response::new(GreetReply { text }))
    }
}

/// What a client does: the key as metadata, under the name that it has in HTTP.
async fn call(url: String, key: &str) -> Result<String, Box<dyn Error>> {
    let mut client = GreeterClient::connect(url).await?;
    let mut request = Request::new(GreetRequest {});
    request.metadata_mut().insert("authorization", format!("Bearer {key}").parse()?);
    Ok(client.greet(request).await?.into_inner().text)
}
