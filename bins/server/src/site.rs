//! The service behind connections: the API, with the page beside it.

use std::sync::Arc;

use doorward::api::routes::{Access, Path};
use doorward::api::{Api, Body, Mount, Part};
use doorward::dashboard::{Dashboard, SignInError};
use doorward::http::SourceAddress;
use doorward_listen::{Client, Handler};
use doorward_observe::Watcher;
#[cfg(feature = "otel")]
use doorward_observe::traces;
use http::{Method, Request, Response};
use hyper::body::Incoming;

use crate::config::AdminConfig;

/// The API. Each request is a span.
#[derive(Clone, Debug)]
pub(crate) struct Site(pub(crate) Api);

impl Handler for Site {
    type Body = Body;

    async fn answer(&self, mut request: Request<Incoming>, client: Client) -> Response<Body> {
        // Without a proxy, the connection says it: an extension would be an allocation.
        if client.address != client.connection.ip() {
            request.extensions_mut().insert(SourceAddress(client.address));
        }
        #[cfg(feature = "otel")]
        let span = traces::request(&request, self.0.pattern(request.uri().path()));
        let response = self.0.answer(request, Some(client.connection)).await;
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

impl Site {
    /// Returns the site of everyone, and the site of operators.
    pub(crate) fn apart(api: &Api, admin: &AdminConfig) -> (Self, Self) {
        let is_mcp = |path: &Path| path.pattern == "/mcp";
        let is_for_operators = |path: &Path| matches!(path.access, Access::Operator(_)) || (admin.mcp && is_mcp(path));
        let data = api.with_paths(|path| !is_for_operators(path), false);
        (Self(data), Self(api.with_paths(|path| path.part == Part::Probes || is_for_operators(path), true)))
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
            if let Some(refused) = reply.extensions().get::<SignInError>() {
                watcher.sign_in_refused(source, refused.as_str());
            }
            reply
        }
    })
}
