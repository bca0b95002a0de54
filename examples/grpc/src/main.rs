//! Access keys in front of a gRPC service on tonic. README.md says how to run it.

use std::error::Error;

use doorward::AccessKeys;
use doorward::auth::{Principal, VerifyError};
use doorward::http::{AccessKeyLayer, Problem, Rejection};
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
#[expect(clippy::print_stdout, reason = "an example prints for its user")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "grpc.db".to_owned());
    if path == "call" {
        let url = arguments.next().ok_or("call URL, with the key in DOORWARD_KEY")?;
        println!("{}", call(url, &std::env::var("DOORWARD_KEY")?).await?);
        return Ok(());
    }
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8093".to_owned());

    let keys = AccessKeys::open(format!("sqlite:{path}")).start().await?;
    if let Some(first) = keys.provision_first("my-service").await? {
        println!("production key, shown this one time: {}", first.value.expose());
    }

    let layer = keys.layer();
    let greeter = GreeterServer::with_interceptor(Hello, move |request| admit(&layer, request));
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let incoming = TcpListenerStream::new(listener);
    Server::builder().add_service(greeter).serve_with_incoming_shutdown(incoming, keys.until_signal()).await?;
    keys.stop().await?;
    Ok(())
}

/// gRPC metadata are HTTP headers, so the same rules apply. A refusal becomes a gRPC status.
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
        Rejection::Key(VerifyError::NotCurrent) => Status::unavailable(problem.detail()),
        Rejection::InBrowser
        | Rejection::Key(VerifyError::Quarantined(_) | VerifyError::Suspended)
        | Rejection::WrongEnvironment(_) => Status::permission_denied(problem.detail()),
        _ => Status::unauthenticated(problem.detail()),
    }
}

struct Hello;

#[tonic::async_trait]
impl Greeter for Hello {
    async fn greet(&self, request: Request<GreetRequest>) -> Result<Response<GreetReply>, Status> {
        let principal: &Principal =
            request.extensions().get().ok_or_else(|| Status::internal("the service has no interceptor"))?;
        let text = format!("Hello {} in {}!", principal.organization_name(), principal.environment());
        Ok(Response::new(GreetReply { text }))
    }
}

/// A client: sends the key as metadata, under its HTTP name.
async fn call(url: String, key: &str) -> Result<String, Box<dyn Error>> {
    let mut client = GreeterClient::connect(url).await?;
    let mut request = Request::new(GreetRequest {});
    request.metadata_mut().insert("authorization", format!("Bearer {key}").parse()?);
    Ok(client.greet(request).await?.into_inner().text)
}
