//! Verifying logs, and vouching for them.

use std::io::BufRead;
use std::path::Path;

use doorward::audit::{Checkpoint, Event, EventProof, NoteKey, NoteVerifier, Pruned, inclusion_proof};
use doorward::http::shapes::CheckpointShape;
use doorward::store::{LogFault, Page, Scope, verify_log};
use doorward::types::{Environment, OrganizationId};
use serde::Serialize;
use zeroize::Zeroizing;

use super::BATCH;
use crate::arguments::{Format, Log};
use crate::desk::Desk;
use crate::failure::Failure;
use crate::output::{self, Output};
use crate::progress::Progress;

#[derive(Serialize)]
struct VerifiedShape {
    whole: bool,
    logs: Vec<LogShape>,
}

/// A log, and what was found.
#[derive(Serialize)]
struct LogShape {
    organization: OrganizationId,
    environment: Environment,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

pub(super) async fn verify(
    desk: &Desk,
    log: &Log,
    earlier: Option<Checkpoint>,
    key: Option<&NoteVerifier>,
    output: &Output,
) -> Result<(), Failure> {
    let mut scopes = desk.logs(log).await?;
    if let Some(earlier) = &earlier {
        // A log that is gone altogether is still the one that the checkpoint is of.
        scopes.retain(|scope| Checkpoint::origin_of(scope.organization(), scope.environment()) == earlier.origin);
        if scopes.is_empty() {
            return Err(Failure::failed(format!(
                "the store has no log {}, which the checkpoint is of",
                earlier.origin
            )));
        }
    }
    let mut progress = Progress::new(output);
    let mut logs = Vec::new();
    for scope in &scopes {
        let name = Checkpoint::origin_of(scope.organization(), scope.environment());
        let mut report = |done| progress.show(&format!("verifying {name}: {done} events"), false);
        // A key is of one log.
        let key = key.filter(|key| key.name() == name);
        let found = verify_log(&**desk.core.store(), scope, earlier.as_ref(), key, &mut report).await;
        let (organization, environment) = (scope.organization(), scope.environment());
        logs.push(match found {
            Ok(Checkpoint { size, root, .. }) => {
                LogShape { organization, environment, events: Some(size), root: Some(root.to_string()), fault: None }
            }
            Err(LogFault::Store(error)) => return Err(error.into()),
            Err(fault) => {
                LogShape { organization, environment, events: None, root: None, fault: Some(fault.to_string()) }
            }
        });
    }
    progress.end();
    let rows: Vec<_> = logs
        .iter()
        .map(|log| {
            let events = log.events.map(|events| events.to_string()).unwrap_or_default();
            let found = log.fault.clone().unwrap_or_else(|| "whole".to_owned());
            vec![log.organization.to_string(), log.environment.to_string(), events, found]
        })
        .collect();
    let broken = logs.iter().filter(|log| log.fault.is_some()).count();
    output.list(
        &VerifiedShape { whole: broken == 0, logs },
        &["ORGANIZATION", "ENVIRONMENT", "EVENTS", "FOUND"],
        rows,
    )?;
    match broken {
        0 => Ok(()),
        1 => Err(Failure::told("one audit log was tampered with, or is damaged")),
        _ => Err(Failure::told("several audit logs were tampered with, or are damaged")),
    }
}

pub(super) fn read_checkpoint(file: &Path, key: &NoteVerifier) -> Result<Checkpoint, Failure> {
    let note = std::fs::read_to_string(file)
        .map_err(|error| Failure::failed(format!("{} cannot be read: {error}", file.display())))?;
    Checkpoint::open(&note, key).map_err(|error| Failure::failed(format!("{}: {error}", file.display())))
}

pub(super) async fn checkpoint(desk: &Desk, log: &Log, key: &Path, output: &Output) -> Result<(), Failure> {
    let (key, scope) = (read_signing_key(key)?, desk.log(log).await?);
    let now = checkpoint_of(desk, &scope, None, output).await?;
    let shape = CheckpointShape::new(&now, &key);
    let (origin, size, verifier) = (&now.origin, now.size, &shape.verifier_key);
    output.remark(&format!("{origin} has {size} events. Its verifier key is {verifier}"));
    output.plain(&shape, &shape.checkpoint)
}

pub(super) fn read_signing_key(file: &Path) -> Result<NoteKey, Failure> {
    let text = std::fs::read_to_string(file).map(Zeroizing::new).map_err(|error| {
        Failure::failed(format!("{} cannot be read ({error}): `doorward audit keygen` makes a key", file.display()))
    })?;
    text.parse().map_err(|error| Failure::failed(format!("{}: {error}", file.display())))
}

/// The checkpoint of a log that was verified just now.
pub(super) async fn checkpoint_of(
    desk: &Desk,
    scope: &Scope,
    key: Option<&NoteVerifier>,
    output: &Output,
) -> Result<Checkpoint, Failure> {
    let mut progress = Progress::new(output);
    let mut report = |done| progress.show(&format!("verifying: {done} events"), false);
    let found = verify_log(&**desk.core.store(), scope, None, key, &mut report).await;
    progress.end();
    found.map_err(|fault| match fault {
        LogFault::Store(error) => error.into(),
        fault => Failure::failed(format!("{fault}: no checkpoint is made of such a log")),
    })
}

pub(super) async fn prove(desk: &Desk, log: &Log, event: u64, key: &Path) -> Result<(), Failure> {
    let (key, scope) = (read_signing_key(key)?, desk.log(log).await?);
    if let Some(Pruned { size, .. }) = desk.core.store().pruned(&scope).await? {
        return Err(Failure::failed(format!(
            "events 1 to {size} were pruned, and with them the hashes that a proof goes by: a checkpoint and the whole log still verify"
        )));
    }
    let now = checkpoint_of(desk, &scope, None, &Output::new(Format::Json)).await?;
    let mut hashes = Vec::new();
    while (hashes.len() as u64) < now.size {
        let after = (!hashes.is_empty()).then_some(hashes.len() as u64);
        let page = desk.core.store().chain(&scope, Page { after, limit: BATCH }).await?;
        if page.is_empty() {
            break;
        }
        hashes.extend(page.into_iter().flatten().filter_map(|event| event.hash));
    }
    hashes.truncate(usize::try_from(now.size).unwrap_or(usize::MAX));
    let index = event.checked_sub(1).and_then(|index| usize::try_from(index).ok());
    let proof = index.and_then(|index| inclusion_proof(&hashes, index));
    let hashes = proof.ok_or_else(|| {
        Failure::not_found(format!("{} has no event {event}: it has {} events", now.origin, now.size))
    })?;
    output::write(&EventProof { index: event - 1, hashes, checkpoint: now.sign(&key) }.to_text())
}

#[derive(Serialize)]
struct ProvenShape {
    origin: String,
    event: u64,
    size: u64,
}

pub(super) fn check_proof(file: &Path, verifier: &NoteVerifier, output: &Output) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::failed(format!("{}: {error}", file.display()));
    let proof = std::fs::read_to_string(file).map_err(|error| failed(&error))?;
    let proof = EventProof::from_text(&proof).map_err(|_| failed(&"this is no proof of an event"))?;
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|error| Failure::failed(format!("standard input cannot be read: {error}")))?;
    let hash = Event::hash_of_json(&line)
        .ok_or_else(|| Failure::failed("standard input is no event: give it one line of `audit export`".into()))?;
    let Checkpoint { origin, size, .. } = proof.verify(hash, verifier).map_err(|error| failed(&error))?;
    let shape = ProvenShape { event: proof.index + 1, size, origin };
    let sentence = format!("It is event {} of {}, as of {size} events.", shape.event, shape.origin);
    output.done(&shape, &sentence)
}
