//! The parts that the three endpoints of a user's credential share.

use doorward_audit::{Action, Attribution, Detail, EventDraft};
use doorward_http::Problem;
use doorward_records::{ConnectorName, Credential, CredentialKey, Table};
use doorward_store::Scope;
use matchit::Params;

use super::path::user;
use crate::problem::absent;
use crate::state::State;

pub(super) fn credentials(state: &State) -> &dyn Table<Credential> {
    state.store()
}

pub(super) fn connector(params: &Params<'_, '_>) -> Option<ConnectorName> {
    params.get("connector").and_then(|text| text.parse().ok())
}

/// Reads which credential the path names.
pub(super) fn key(params: &Params<'_, '_>, scope: &Scope) -> Result<CredentialKey, Problem> {
    let key = user(params, scope).ok().zip(connector(params));
    let key = key.map(|(registered_user, connector)| CredentialKey { registered_user, connector });
    key.ok_or_else(|| absent("credential", scope.environment()))
}

/// Returns the event that tells of a credential.
pub(super) fn event(state: &State, action: Action, scope: &Scope, key: &CredentialKey, by: &Attribution) -> EventDraft {
    let detail = Detail { connector: Some(key.connector.to_string()), ..Detail::default() };
    state.event(action, key.registered_user.to_string(), scope, by, detail)
}
