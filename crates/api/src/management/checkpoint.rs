//! `GET /v1/organizations/{organization}/audit-events/checkpoint?environment=`: verifies an audit log, and signs its
//! checkpoint. `/v1/organizations/{organization}/checkpoint` is the same endpoint.
//!
//! Answers 200 `{"origin","size","root","checkpoint","verifier_key"}`, where `checkpoint` is a C2SP signed note. Errors: 404
//! `not_found`; 409 `conflict` says what is wrong with the log; 429 `too_many_requests` and 503 `overloaded`; 501
//! `not_configured` if the server has no signing key.

use doorward_http::Problem;
use doorward_store::must_have_events;

use super::operator_call::OperatorCall;
use crate::answer::{self, HandlerResult};
use crate::checkpoints::checkpoint;
use crate::code::Code;
use crate::problem::store_failed;

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let state = call.state;
    let scope = call.scope().await?;
    let key = state.signing_key.load_full().ok_or_else(|| {
        Problem::new(
            Code::NotConfigured,
            "this server signs no checkpoints: `doorward audit keygen` makes a key, and --signing-key-file names it",
        )
    })?;
    let _share = state.budgets.scan(call.holder())?;
    let must_have_events = must_have_events(state.store(), &scope).await.map_err(store_failed)?;
    match checkpoint(state, &scope, must_have_events, &key).await.map_err(store_failed)? {
        Ok(view) => answer::ok(&view),
        Err(fault) => Err(Problem::new(Code::Conflict, format!("{fault}: no checkpoint is made of such a log"))),
    }
}
