//! Deleting the beginning of a log.

use doorward::audit::{Action, ChainVerifier, Checkpoint, Pruned};
use doorward::store::{Conflict, Page, Scope, StoreError, must_have_events};
use doorward::types::Timestamp;
use serde::Serialize;

use super::logs::BATCH;
use super::verify::{Signer, verified};
use crate::arguments::{Consent, Log};
use crate::confirm;
use crate::context::CliContext;
use crate::failure::CliError;
use crate::progress::Progress;

#[derive(Serialize)]
struct PrunedView {
    origin: String,
    pruned: u64,
}

pub(super) async fn prune(
    context: &CliContext,
    log: &Log,
    before: Timestamp,
    signer: &Signer,
    consent: Consent,
) -> Result<(), CliError> {
    let (scope, store) = (context.log(log).await?, &context.store);
    let origin = Checkpoint::origin_of(scope.organization(), scope.environment());
    // Only an intact log is pruned: the statement vouches for it.
    let must_have_events = must_have_events(&*context.store, &scope).await?;
    verified(context, &scope, signer, must_have_events, &context.output).await?;
    let chain = match store.pruned(&scope).await? {
        Some(earlier) => earlier.verifier(&origin, &signer.trusted(&origin)).map_err(of_fault)?,
        None => ChainVerifier::default(),
    };
    let begin = chain.tree().size();
    let steps = steps_before(context, &scope, before, chain, signer).await?;
    let Some(size) = steps.last().map(|step| step.size) else {
        return Err(CliError::not_found(format!("{origin} has no event before {before}")));
    };
    let what = format!("Events {} to {size} of {origin} are deleted permanently.", begin + 1);
    confirm::by_name(consent, &what, &origin)?;
    let mut progress = Progress::new(&context.output);
    for step in steps {
        let done = step.size;
        let event = context.event(&scope, Action::AuditLogPruned, Pruned::subject(&origin, done));
        store.prune(&scope, step, event).await.map_err(|error| match error {
            StoreError::Conflict(Conflict::Unshipped) => CliError::conflict(
                "a sink has not shipped all of these events yet: `doorward audit sinks` shows which, and \
                 `doorward audit forget-sink` forgets a sink that no longer ships"
                    .into(),
            ),
            error => error.into(),
        })?;
        progress.show(&format!("pruning {origin}: {done} of {size} events"), done == size);
    }
    progress.end();
    context.output.done(&PrunedView { origin, pruned: size - begin }, &format!("Deleted {} events.", size - begin))
}

/// Events deleted in one transaction: so few that no other change waits for it, on any engine.
const EVENTS_PER_STEP: u64 = 100_000;

/// Makes the statements for the events before this time, step by step. `chain` ends at the events that are gone already.
async fn steps_before(
    context: &CliContext,
    scope: &Scope,
    before: Timestamp,
    mut chain: ChainVerifier,
    signer: &Signer,
) -> Result<Vec<Pruned>, CliError> {
    let origin = Checkpoint::origin_of(scope.organization(), scope.environment());
    let mut steps = Vec::new();
    let mut last = None;
    'cut: loop {
        let page = context.store.chain(scope, Page { after: last, limit: BATCH }).await?;
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
            if chain.tree().size().is_multiple_of(EVENTS_PER_STEP) {
                steps.extend(chain.prune(&origin, &signer.key).map_err(of_fault)?);
            }
        }
    }
    if last.is_some() && !chain.tree().size().is_multiple_of(EVENTS_PER_STEP) {
        steps.extend(chain.prune(&origin, &signer.key).map_err(of_fault)?);
    }
    Ok(steps)
}

fn of_fault(fault: impl std::fmt::Display) -> CliError {
    CliError::failed(format!("{fault}. Nothing is signed of such a log"))
}
