//! The API with the page beside it, as connections are served with them.

use std::net::SocketAddr;
use std::sync::Arc;

use doorward::api::{Api, Body, Mount};
use doorward::dashboard::{Dashboard, SignInRefused};
use doorward::http::SourceAddress;
use doorward_listen::Handler;
use doorward_observe::Watcher;
#[cfg(feature = "otel")]
use doorward_observe::traces;
use http::{Method, Request, Response};
use hyper::body::Incoming;

/// The API, each request of which is a span.
#[derive(Clone, Debug)]
pub(crate) struct Site(pub(crate) Api);

impl Handler for Site {
    type Body = Body;

    async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        #[cfg(feature = "otel")]
        let span = traces::request(&request, self.0.pattern(request.uri().path()));
        let response = self.0.answer(request, Some(peer)).await;
        #[cfg(feature = "otel")]
        traces::answered(&span, &response);
        response
    }

    fn is_draining(&self) -> bool {
        self.0.is_draining()
    }

    async fn idle(&self) {
        self.0.idle().await;
    }
}

/// The paths of the page *Settings → API Keys*.
const PAGE: &[&str] = &["/dashboard", "/dashboard/", "/dashboard/{*rest}"];

/// Returns the page, whose refused sign-ins are counted.
pub(crate) fn page(dashboard: Dashboard, watcher: Arc<Watcher>) -> Mount {
    Mount::new(PAGE, &[Method::GET, Method::POST], move |request| {
        let (dashboard, watcher) = (dashboard.clone(), Arc::clone(&watcher));
        async move {
            let source = request.extensions().get::<SourceAddress>().copied();
            let reply = dashboard.answer(request).await;
            if let Some(refused) = reply.extensions().get::<SignInRefused>() {
                watcher.sign_in_refused(source, by(*refused));
            }
            reply
        }
    })
}

/// Returns the name of a way in.
const fn by(refused: SignInRefused) -> &'static str {
    match refused {
        SignInRefused::Link => "link",
        SignInRefused::Provider => "provider",
    }
}
