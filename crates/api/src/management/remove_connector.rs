//! `DELETE /v1/organizations/{organization}/connectors/{connector}?environment=`: removes a connector.
//!
//! Answers 204. Errors: 404 `not_found`.

use doorward_auth::OperatorPrincipal;
use doorward_link::LinkError;
use doorward_records::ConnectorName;
use matchit::Params;

use super::input::scope;
use crate::answer::{self, Answer};
use crate::call::Call;
use crate::problem::link_failed;
use crate::state::State;

pub(super) async fn handle(
    state: &State,
    management: &OperatorPrincipal,
    params: &Params<'_, '_>,
    call: &Call,
) -> Answer {
    let scope = scope(state, management, params, call).await?;
    let absent = || link_failed(LinkError::NoSuchConnector, scope.environment());
    let name: ConnectorName = params.get("connector").and_then(|text| text.parse().ok()).ok_or_else(absent)?;
    let removed = state.linker.remove_connector(&scope, &name, &call.by(management.attribution())).await;
    match removed.map_err(|error| link_failed(error, scope.environment()))? {
        true => Ok(answer::no_content()),
        false => Err(absent()),
    }
}
