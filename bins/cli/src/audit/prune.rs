//! Cutting the beginning of a log off.

use doorward::audit::{Action, ChainVerifier, Checkpoint, Pruned};
use doorward::store::{Conflict, Page, Scope, StoreError};
use doorward::types::Timestamp;
use serde::Serialize;

use super::logs::BATCH;
use super::verify::{Signer, verified};
use crate::arguments::{Consent, Log};
use crate::confirm;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::Progress;

#[derive(Serialize)]
struct PrunedShape {
    origin: String,
    pruned: u64,
}

pub(super) async fn prune(
    desk: &Desk,
    log: &Log,
    before: Timestamp,
    signer: &Signer,
    consent: Consent,
    output: &Output,
) -> Result<(), Failure> {
    let (scope, store) = (desk.log(log).await?, desk.core.store());
    let origin = Checkpoint::origin_of(scope.organization(), scope.environment());
    // Only what is whole is cut: the statement vouches for it.
    verified(desk, &scope, signer, output).await?;
    let chain = match store.pruned(&scope).await? {
        Some(earlier) => earlier.verifier(&origin, &signer.trusted(&origin)).map_err(of_fault)?,
        None => ChainVerifier::default(),
    };
    let begin = chain.tree().size();
    let steps = steps_before(desk, &scope, before, chain, signer).await?;
    let Some(size) = steps.last().map(|step| step.size) else {
        return Err(Failure::not_found(format!("{origin} has no event before {before}")));
    };
    let what = format!("Events {} to {size} of {origin} are deleted for ever.", begin + 1);
    confirm::by_name(consent, &what, &origin)?;
    let mut progress = Progress::new(output);
    for step in steps {
        let done = step.size;
        let event = desk.event(&scope, Action::AuditLogPruned, Pruned::subject(&origin, done));
        store.prune(&scope, step, event).await.map_err(|error| match error {
            StoreError::Conflict(Conflict::Unshipped) => Failure::conflict(
                "a sink has not shipped all of these events yet: `doorward audit sinks` shows which, and \
                 `doorward audit forget-sink` forgets one that ships no more"
                    .into(),
            ),
            error => error.into(),
        })?;
        progress.show(&format!("pruning {origin}: {done} of {size} events"), done == size);
    }
    progress.end();
    output.done(&PrunedShape { origin, pruned: size - begin }, &format!("Deleted {} events.", size - begin))
}

/// Events that are cut off in one transaction: so few that no change waits for it, on any engine.
const STEP: u64 = 100_000;

/// Makes the statement for the events before this time, step by step. `chain` comes from what is gone already.
async fn steps_before(
    desk: &Desk,
    scope: &Scope,
    before: Timestamp,
    mut chain: ChainVerifier,
    signer: &Signer,
) -> Result<Vec<Pruned>, Failure> {
    let origin = Checkpoint::origin_of(scope.organization(), scope.environment());
    let mut steps = Vec::new();
    let mut last = None;
    'cut: loop {
        let page = desk.core.store().chain(scope, Page { after: last, limit: BATCH }).await?;
        if page.is_empty() {
            break;
        }
        for event in page {
            let event = event.map_err(of_fault)?;
            if event.draft.time >= before {
                break 'cut;
            }
            chain.follow(&event).map_err(of_fault)?;
            last = Some(event.sequence);
            if chain.tree().size().is_multiple_of(STEP) {
                steps.extend(chain.prune(&origin, &signer.key).map_err(of_fault)?);
            }
        }
    }
    if last.is_some() && !chain.tree().size().is_multiple_of(STEP) {
        steps.extend(chain.prune(&origin, &signer.key).map_err(of_fault)?);
    }
    Ok(steps)
}

fn of_fault(fault: impl std::fmt::Display) -> Failure {
    Failure::failed(format!("{fault}. Nothing is signed of such a log"))
}
