//! `GET /v1/organizations/{organization}/audit-events/checkpoint?environment=`: verifies an audit log, and signs its
//! checkpoint. `/v1/organizations/{organization}/checkpoint` is the same endpoint.
//!
//! Answers 200 `{"origin","size","root","checkpoint","verifier_key"}`, where `checkpoint` is a C2SP signed note. Errors: 404
//! `not_found`; 409 `conflict` says what is wrong with the log; 429 `too_many_requests` and 503 `overloaded`; 501
//! `not_configured` if the server has no signing key.

use doorward_audit::Checkpoint;
use doorward_http::Problem;
use doorward_store::{LogCheck, LogError, must_have_events, verify_log};

use super::operator_call::OperatorCall;
use crate::answer::{self, HandlerResult};
use crate::code::Code;
use crate::problem::store_failed;
use crate::views::CheckpointView;

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let state = call.state;
    let scope = call.scope().await?;
    let organization = scope.organization();
    let key = state.signing_key.load_full().ok_or_else(|| {
        Problem::new(
            Code::NotConfigured,
            "this server signs no checkpoints: `doorward audit keygen` makes a key, and --signing-key-file names it",
        )
    })?;
    let _share = state.budgets.scan(call.holder())?;
    let verifier = [key.verifier(&Checkpoint::origin_of(organization, scope.environment()))];
    let must_have_events = must_have_events(state.store(), &scope).await.map_err(store_failed)?;
    let check = LogCheck::default().with_keys(&verifier).with_must_have_events(must_have_events);
    let fault = match verify_log(state.store(), &scope, &check, &mut |_| {}).await {
        Ok(verified) => match CheckpointView::new(&verified, &key) {
            Ok(shape) => return answer::ok(&shape),
            Err(unproved) => unproved.to_string(),
        },
        Err(LogError::Store(error)) => return Err(store_failed(error)),
        Err(fault) => fault.to_string(),
    };
    tracing::error!(fault, %organization, "a log does not verify");
    Err(Problem::new(Code::Conflict, format!("{fault}: no checkpoint is made of such a log")))
}
