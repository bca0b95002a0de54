//! One request of an access key's holder, as each of the backends' endpoints gets it.

use std::sync::Arc;

use doorward_audit::Attribution;
use doorward_auth::Principal;
use doorward_http::Problem;
use doorward_link::LinkError;
use doorward_records::{ConnectorName, CredentialKey};
use doorward_store::Scope;
use doorward_types::{LinkSessionId, RegisteredUserId};
use http::Uri;
use matchit::Params;

use crate::body::{self, JsonBody};
use crate::problem::{absent, link_failed};
use crate::request_context::RequestContext;
use crate::state::State;

pub(crate) struct BackendCall<'a> {
    pub(crate) state: &'a Arc<State>,
    pub(crate) principal: Principal,
    pub(crate) params: &'a Params<'a, 'a>,
    pub(crate) request: RequestContext,
}

impl BackendCall<'_> {
    pub(super) fn uri(&self) -> &Uri {
        self.request.uri()
    }

    pub(super) fn scope(&self) -> Scope {
        self.principal.scope()
    }

    /// Returns the key and this request, as an audit event names them.
    pub(crate) fn attribution(&self) -> Attribution {
        self.request.by(self.principal.attribution())
    }

    /// Reads the body, which must be there.
    pub(super) async fn body<T: JsonBody>(self) -> Result<T, Problem> {
        body::json(self.state, self.request).await
    }

    /// Reads which registered user the path names. A text that cannot be an id names no user.
    pub(super) fn user(&self) -> Result<RegisteredUserId, Problem> {
        let id = self.params.get("user").and_then(|text| text.parse().ok());
        id.ok_or_else(|| absent("registered user", self.scope().environment()))
    }

    pub(super) fn connector(&self) -> Option<ConnectorName> {
        self.params.get("connector").and_then(|text| text.parse().ok())
    }

    /// Reads which credential the path names.
    pub(super) fn credential(&self) -> Result<CredentialKey, Problem> {
        let key = self.user().ok().zip(self.connector());
        let key = key.map(|(registered_user, connector)| CredentialKey { registered_user, connector });
        key.ok_or_else(|| absent("credential", self.scope().environment()))
    }

    /// Reads which link session the path names.
    pub(super) fn session(&self) -> Result<LinkSessionId, Problem> {
        let id = self.params.get("session").and_then(|text| text.parse().ok());
        id.ok_or_else(|| link_failed(LinkError::NoSuchSession, self.scope().environment()))
    }
}
