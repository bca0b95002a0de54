//! Proofs about a log, for people who do not have it: that an event is in it, and that it has only grown.

use std::io::BufRead;
use std::path::Path;

use doorward::audit::{Checkpoint, Event, EventProof, ExtensionProof, NoteVerifier};
use doorward::store::must_have_events;
use serde::Serialize;

use super::leaves::leaves;
use super::verify::{Signer, origin_of, read_checkpoint, verified};
use crate::arguments::Log;
use crate::context::CliContext;
use crate::failure::CliError;
use crate::output::{self, Output};

pub(super) async fn prove(context: &CliContext, log: &Log, event: u64, signer: &Signer) -> Result<(), CliError> {
    let scope = context.log(log).await?;
    let must_have_events = must_have_events(&*context.store, &scope).await?;
    let now = verified(context, &scope, signer, must_have_events, &Output::silent()).await?;
    if (1..=now.pruned()).contains(&event) {
        return Err(CliError::failed(format!(
            "event {event} was pruned with the events 1 to {}, and with them the hashes that its proof goes by",
            now.pruned()
        )));
    }
    let leaves = leaves(context, &scope, &now).await?;
    let proof = event.checked_sub(1).and_then(|index| leaves.inclusion_proof(index));
    let hashes = proof.ok_or_else(|| {
        CliError::not_found(format!("{} has no event {event}: it has {} events", origin_of(&scope), now.size()))
    })?;
    let checkpoint = now.sign(&signer.key).map_err(|unproved| CliError::failed(unproved.to_string()))?;
    output::write(&EventProof::new(event - 1, hashes, checkpoint).to_text())
}

/// Prints the proof that a log has only grown since a checkpoint.
pub(super) async fn prove_extension(
    context: &CliContext,
    log: &Log,
    since: &Path,
    signer: &Signer,
) -> Result<(), CliError> {
    let scope = context.log(log).await?;
    let earlier = read_checkpoint(since, &signer.trusted(&origin_of(&scope)))?;
    if earlier.origin != origin_of(&scope) {
        return Err(CliError::usage(format!("{} is a checkpoint of {}", since.display(), earlier.origin)));
    }
    let must_have_events = must_have_events(&*context.store, &scope).await?;
    let now = verified(context, &scope, signer, must_have_events, &Output::silent()).await?;
    let leaves = leaves(context, &scope, &now).await?;
    let hashes = leaves.consistency_proof(earlier.size).ok_or_else(|| {
        CliError::failed(format!(
            "the log has {} events, without the pruned events 1 to {}, and the checkpoint is of {}: nothing proves how the log \
             has grown in between",
            now.size(),
            now.pruned(),
            earlier.size
        ))
    })?;
    let checkpoint = now.sign(&signer.key).map_err(|unproved| CliError::failed(unproved.to_string()))?;
    let proof = ExtensionProof::new(earlier.size, hashes, checkpoint);
    // A proof that does not hold is no help to its reader: the log was rewritten.
    proof
        .verify(&earlier, &[signer.key.verifier(&earlier.origin)])
        .map_err(|error| CliError::failed(error.to_string()))?;
    output::write(&proof.to_text())
}

#[derive(Serialize)]
struct ExtendedView {
    origin: String,
    earlier_size: u64,
    size: u64,
}

/// Checks a proof that a log has only grown. Needs no store.
pub(super) fn check_extension(
    file: &Path,
    since: &Path,
    verifiers: &[NoteVerifier],
    output: &Output,
) -> Result<(), CliError> {
    let failed = |error: &dyn std::fmt::Display| CliError::failed(format!("{}: {error}", file.display()));
    let proof = std::fs::read_to_string(file).map_err(|error| failed(&error))?;
    let proof = ExtensionProof::from_text(&proof).map_err(|_| failed(&"this is no proof that a log has grown"))?;
    let earlier = read_checkpoint(since, verifiers)?;
    let Checkpoint { origin, size, .. } = proof.verify(&earlier, verifiers).map_err(|error| failed(&error))?;
    let view = ExtendedView { origin, earlier_size: earlier.size, size };
    let sentence =
        format!("{} has grown from {} to {} events, and begins as it did.", view.origin, view.earlier_size, view.size);
    output.done(&view, &sentence)
}

#[derive(Serialize)]
struct ProvenView {
    origin: String,
    event: u64,
    size: u64,
}

pub(super) fn check_proof(file: &Path, verifier: &NoteVerifier, output: &Output) -> Result<(), CliError> {
    let failed = |error: &dyn std::fmt::Display| CliError::failed(format!("{}: {error}", file.display()));
    let proof = std::fs::read_to_string(file).map_err(|error| failed(&error))?;
    let proof = EventProof::from_text(&proof).map_err(|_| failed(&"this is no proof of an event"))?;
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|error| CliError::failed(format!("standard input cannot be read: {error}")))?;
    let hash = Event::hash_of_json(&line)
        .ok_or_else(|| CliError::failed("standard input is no event: give it one line of `audit export`".into()))?;
    let Checkpoint { origin, size, .. } = proof.verify(hash, verifier).map_err(|error| failed(&error))?;
    let view = ProvenView { event: proof.index + 1, size, origin };
    let sentence = format!("It is event {} of {}, as of {size} events.", view.event, view.origin);
    output.done(&view, &sentence)
}
