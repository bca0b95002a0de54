//! Cutting the beginning of a log off.

use std::path::Path;

use doorward::audit::{Action, Checkpoint, Hash, NoteKey, Pruned, Tree};
use doorward::store::{Conflict, Page, Scope, StoreError};
use doorward::types::{Incarnation, Timestamp};
use serde::Serialize;

use super::BATCH;
use super::verify::{checkpoint_of, read_signing_key};
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
    key: &Path,
    consent: Consent,
    output: &Output,
) -> Result<(), Failure> {
    let (key, scope, store) = (read_signing_key(key)?, desk.log(log).await?, desk.core.store());
    let origin = Checkpoint::origin_of(scope.organization(), scope.environment());
    let verifier = key.verifier(&origin);
    // Only what is whole is cut: the checkpoint vouches for it.
    checkpoint_of(desk, &scope, Some(&verifier), output).await?;
    let earlier = store.pruned(&scope).await?;
    let mut tree = match &earlier {
        Some(Pruned { size, peaks, .. }) => Tree::of_peaks(*size, peaks.clone()).unwrap_or_default(),
        None => Tree::default(),
    };
    let begin = tree.size();
    let steps = steps_before(desk, &scope, before, &mut tree, &key).await?;
    let Some(size) = steps.last().map(|step| step.size) else {
        return Err(Failure::not_found(format!("{origin} has no event before {before}")));
    };
    let what = format!("Events {} to {size} of {origin} are deleted for ever.", begin + 1);
    confirm::by_name(consent, &what, &origin)?;
    let mut progress = Progress::new(output);
    for step in steps {
        let done = step.size;
        let event = desk.event(&scope, Action::AuditLogPruned, format!("{origin} 1 to {done}"));
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

/// What will stand for the events before this time, step by step. `tree` is the one over those that are gone already.
async fn steps_before(
    desk: &Desk,
    scope: &Scope,
    before: Timestamp,
    tree: &mut Tree,
    key: &NoteKey,
) -> Result<Vec<Pruned>, Failure> {
    let origin = Checkpoint::origin_of(scope.organization(), scope.environment());
    let step = |tree: &Tree, (incarnation, last_hash): (Incarnation, Hash)| {
        let size = tree.size();
        let checkpoint = Checkpoint { origin: origin.clone(), size, root: tree.root(), incarnation }.sign(key);
        Pruned { size, last_hash, peaks: tree.peaks().to_vec(), checkpoint }
    };
    let (mut steps, mut last) = (Vec::new(), None);
    'cut: loop {
        let after = last.map(|(sequence, _)| sequence);
        let page = desk.core.store().chain(scope, Page { after, limit: BATCH }).await?;
        if page.is_empty() {
            break;
        }
        for event in page.into_iter().flatten() {
            let (true, Some(hash)) = (event.draft.time < before, event.hash) else { break 'cut };
            tree.push(hash);
            last = Some((event.sequence, (event.incarnation, hash)));
            if tree.size().is_multiple_of(STEP) {
                steps.push(step(tree, (event.incarnation, hash)));
            }
        }
    }
    if let Some((_, end)) = last.filter(|_| !tree.size().is_multiple_of(STEP)) {
        steps.push(step(tree, end));
    }
    Ok(steps)
}
