//! `DELETE /v1/organizations/{organization}/connectors/{connector}?environment=`: removes a connector.
//!
//! Answers 204. Errors: 404 `not_found`.

use doorward_link::LinkError;
use doorward_records::ConnectorName;

use super::operator_call::OperatorCall;
use crate::answer::{self, HandlerResult};
use crate::problem::link_failed;

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let scope = call.scope().await?;
    let absent = || link_failed(LinkError::NoSuchConnector, scope.environment());
    let name: ConnectorName = call.params.get("connector").and_then(|text| text.parse().ok()).ok_or_else(absent)?;
    let removed = call.state.linker()?.remove_connector(&scope, &name, &call.attribution()).await;
    match removed.map_err(|error| link_failed(error, scope.environment()))? {
        true => Ok(answer::no_content()),
        false => Err(absent()),
    }
}
