//! The parts that the three endpoints of a user's credential share.

use doorward_audit::{Action, Attribution, Detail, EventDraft};
use doorward_records::{Credential, CredentialKey, Table};
use doorward_store::Scope;

use crate::state::State;

pub(super) fn credentials(state: &State) -> &dyn Table<Credential> {
    state.store()
}

/// Returns the event that tells of a credential.
pub(super) fn event(state: &State, action: Action, scope: &Scope, key: &CredentialKey, by: &Attribution) -> EventDraft {
    let detail = Detail::default().with_connector(key.connector.to_string());
    state.core().event(action, key.registered_user.to_string(), scope.log(), by, detail)
}
