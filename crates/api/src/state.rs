use std::sync::Arc;

use arc_swap::ArcSwapOption;
use doorward_audit::{Action, Attribution, Detail, EventDraft, NoteKey};
use doorward_auth::{Core, Issuer, OperatorDesk, OperatorPrincipal, Verifier};
use doorward_http::{AccessKeyLayer, Problem};
use doorward_link::Linker;
use doorward_origin::CustomSchemes;
use doorward_records::{SealingKeys, Store};
use doorward_store::Scope;
use doorward_types::{Clock, Environment, OrganizationId};

use crate::assertions::Assertions;
use crate::budget::Budgets;
use crate::code::Code;
use crate::cursor::Parameters;
use crate::lifecycle::Lifecycle;
use crate::observer::Observer;
use crate::problem::change_failed;

/// The name of the parameter that says which of an organization's two environments an operator means.
pub(crate) const ENVIRONMENT: &str = "environment";

/// Everything that handlers need.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) layer: AccessKeyLayer,
    pub(crate) verifier: Verifier,
    pub(crate) issuer: Issuer,
    pub(crate) desk: OperatorDesk,
    pub(crate) sealing_keys: Arc<SealingKeys>,
    pub(crate) linker: Linker,
    pub(crate) custom_schemes: CustomSchemes,
    /// The key that signs checkpoints, if there is one.
    pub(crate) signing_key: ArcSwapOption<NoteKey>,
    pub(crate) assertions: Option<Arc<Assertions>>,
    pub(crate) strict: bool,
    pub(crate) mcp_hosts: Vec<String>,
    pub(crate) budgets: Budgets,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) lifecycle: Arc<Lifecycle>,
}

impl State {
    pub(crate) fn core(&self) -> &Core {
        self.verifier.core()
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &**self.linker.store()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &**self.core().clock()
    }

    /// Whether this node is current, and not about to stop.
    pub(crate) fn is_ready(&self) -> bool {
        !self.lifecycle.is_draining() && self.verifier.is_current()
    }

    /// Returns an event of the log of this scope, as something that is done now.
    pub(crate) fn event(
        &self,
        action: Action,
        subject: String,
        scope: &Scope,
        by: &Attribution,
        detail: Detail,
    ) -> EventDraft {
        let log = (scope.organization(), scope.environment());
        EventDraft { detail, ..EventDraft::new(by, self.clock().now(), action, subject, log) }
    }

    /// Returns the environment of an organization that an operator chose with the parameter [`ENVIRONMENT`].
    #[expect(clippy::disallowed_methods, reason = "the operator who is authenticated chooses the log")]
    pub(crate) async fn chosen(
        &self,
        management: &OperatorPrincipal,
        organization: OrganizationId,
        parameters: &Parameters,
    ) -> Result<Scope, Problem> {
        self.issuer.organization(management, organization).await.map_err(change_failed)?;
        let environment = parameters.get::<Environment>(ENVIRONMENT)?.ok_or_else(|| {
            Problem::new(Code::InvalidRequest, "say which log, with `?environment=production` or `?environment=test`")
        })?;
        Ok(management.scope(organization, environment))
    }
}
