//! Signed checkpoints of audit logs.

use doorward_audit::{Checkpoint, NoteKey};
use doorward_store::{LogCheck, LogError, Scope, StoreError, known_logs, verify_log};

use crate::state::State;
use crate::views::CheckpointView;

/// The outcome of a verification: a signed checkpoint, or the fault of the log.
pub type Checkpointed = Result<CheckpointView, String>;

/// Verifies a log, and signs its checkpoint.
pub(crate) async fn checkpoint(
    state: &State,
    scope: &Scope,
    must_have_events: bool,
    key: &NoteKey,
) -> Result<Checkpointed, StoreError> {
    let organization = scope.organization();
    let verifier = [key.verifier(&Checkpoint::origin_of(organization, scope.environment()))];
    let check = LogCheck::default().with_keys(&verifier).with_must_have_events(must_have_events);
    let fault = match verify_log(state.store(), scope, &check, &mut |_| {}).await {
        Ok(verified) => match CheckpointView::new(&verified, key) {
            Ok(view) => return Ok(Ok(view)),
            Err(unproved) => unproved.to_string(),
        },
        Err(LogError::Store(error)) => return Err(error),
        Err(fault) => fault.to_string(),
    };
    tracing::error!(fault, %organization, "a log does not verify");
    Ok(Err(fault))
}

/// Verifies every log, one after the other, and hands the outcome of each to `tell`, with the name of the log. Does nothing without
/// a signing key.
#[expect(clippy::disallowed_methods, reason = "the service's own key vouches for every log; no caller's authority")]
pub(crate) async fn checkpoint_all(
    state: &State,
    mut tell: impl FnMut(String, Checkpointed) + Send,
) -> Result<(), StoreError> {
    let Some(key) = state.signing_key.load_full() else { return Ok(()) };
    for ((organization, environment), must_have_events) in known_logs(state.store()).await? {
        let scope = Scope::assertion(organization, environment);
        let outcome = checkpoint(state, &scope, must_have_events, &key).await?;
        tell(Checkpoint::origin_of(organization, environment), outcome);
    }
    Ok(())
}
