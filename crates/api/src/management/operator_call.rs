//! A request of an operator, with everything that its endpoint needs.

use std::str::FromStr;

use doorward_audit::Attribution;
use doorward_auth::{ChangeRequest, ManageError, OperatorPrincipal};
use doorward_http::Problem;
use doorward_store::Scope;
use doorward_types::{Environment, OrganizationId};
use http::Uri;
use matchit::Params;

use crate::body::{self, JsonBody};
use crate::budget::Holder;
use crate::code::Code;
use crate::cursor::{self, Parameters};
use crate::problem::{change_failed, of_change};
use crate::request_context::RequestContext;
use crate::state::State;

/// The name of the parameter that says which of an organization's two environments an operator means.
pub(super) const ENVIRONMENT: &str = "environment";

pub(crate) struct OperatorCall<'a> {
    pub(crate) state: &'a State,
    pub(crate) operator: &'a OperatorPrincipal,
    pub(crate) params: &'a Params<'a, 'a>,
    pub(crate) request: RequestContext,
}

impl OperatorCall<'_> {
    pub(super) fn uri(&self) -> &Uri {
        self.request.uri()
    }

    /// Reads the organization in the path.
    pub(super) fn organization(&self) -> Result<OrganizationId, Problem> {
        self.id("organization", ManageError::NoSuchOrganization)
    }

    /// Reads the id of a record in the path. A text that cannot be an id names a record that does not exist.
    pub(super) fn id<T: FromStr>(&self, name: &str, absent: ManageError) -> Result<T, Problem> {
        self.params.get(name).and_then(|text| text.parse().ok()).ok_or_else(|| of_change(absent))
    }

    /// Returns the change that the operator asks for with this request.
    pub(super) fn change(&self) -> Result<ChangeRequest, Problem> {
        self.request.change_request(self.operator)
    }

    /// Returns the operator and this request, as an audit event names them.
    pub(super) fn attribution(&self) -> Attribution {
        self.request.by(self.operator.attribution())
    }

    /// Reads the body, which must be there.
    pub(super) async fn body<T: JsonBody>(self) -> Result<T, Problem> {
        body::json(self.state, self.request).await
    }

    /// Reads the body, which may be absent.
    pub(super) async fn body_or_default<T: JsonBody + Default>(self) -> Result<T, Problem> {
        body::json_or_default(self.state, self.request).await
    }

    /// Returns the holder of the operator's part of the budget for scans.
    pub(super) fn holder(&self) -> Holder {
        Holder::Operator(self.operator.actor().clone())
    }

    /// Reads the scope of an endpoint that has no parameter but the environment.
    pub(super) async fn scope(&self) -> Result<Scope, Problem> {
        let organization = self.organization()?;
        self.chosen(organization, &cursor::parameters(self.uri(), &[ENVIRONMENT])?).await
    }

    /// Reads the scope of a record to write. Fails if the organization is closed: its data is erased once.
    pub(super) async fn writable_scope(&self) -> Result<Scope, Problem> {
        let scope = self.scope().await?;
        let found = self.state.issuer.organization(self.operator, scope.organization()).await.map_err(change_failed)?;
        if found.is_closed() { Err(of_change(ManageError::OrganizationClosed)) } else { Ok(scope) }
    }

    /// Returns the environment of an organization that the operator chose with the parameter [`ENVIRONMENT`].
    #[expect(clippy::disallowed_methods, reason = "the operator who is authenticated chooses the log")]
    pub(super) async fn chosen(&self, organization: OrganizationId, parameters: &Parameters) -> Result<Scope, Problem> {
        self.state.issuer.organization(self.operator, organization).await.map_err(change_failed)?;
        let environment = parameters.get::<Environment>(ENVIRONMENT)?.ok_or_else(|| {
            Problem::new(Code::InvalidRequest, "say which log, with `?environment=production` or `?environment=test`")
        })?;
        self.operator.scope(organization, environment).map_err(change_failed)
    }
}
