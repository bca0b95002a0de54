//! The hashes of a log's events, which proofs go by.

use doorward::audit::{Leaves, Pruned, Tree, VerifiedLog};
use doorward::store::{Page, Scope};

use super::logs::BATCH;
use crate::context::CliContext;
use crate::failure::CliError;

/// Reads the hashes of a verified log's events, without those that were pruned.
pub(super) async fn leaves(context: &CliContext, scope: &Scope, now: &VerifiedLog) -> Result<Leaves, CliError> {
    let gone = match context.store.pruned(scope).await? {
        Some(Pruned { size, peaks, .. }) => Tree::of_peaks(size, peaks),
        None => Some(Tree::default()),
    };
    let gone = gone.filter(|gone| gone.size() == now.pruned());
    let gone = gone.ok_or_else(|| CliError::conflict("events were pruned at this moment: try again".to_owned()))?;
    let (mut hashes, mut after) = (Vec::new(), Some(gone.size()).filter(|size| *size > 0));
    let wanted = usize::try_from(now.size() - gone.size()).unwrap_or(usize::MAX);
    while hashes.len() < wanted {
        let page = context.store.chain(scope, Page { after, limit: BATCH }).await?;
        let Some(Ok(last)) = page.last() else { break };
        after = Some(last.sequence);
        hashes.extend(page.into_iter().flatten().filter_map(|event| event.hash));
    }
    hashes.truncate(wanted);
    Ok(Leaves::after(gone, hashes))
}
