//! Verifying logs, and vouching for them.

use std::io::BufRead;
use std::path::Path;

use doorward::api::shapes::CheckpointShape;
use doorward::audit::{
    Checkpoint, Event, EventProof, NoteKey, NoteVerifier, Pruned, PrunedFault, VerifiedLog, inclusion_proof,
};
use doorward::store::{LogCheck, LogFault, Page, Scope, must_have_events, verify_log};
use doorward::types::{Environment, OrganizationId};
use serde::Serialize;
use zeroize::Zeroizing;

use super::logs::BATCH;
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
    /// The number of events that were pruned from the beginning, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pruned: Option<u64>,
    /// True if a key that was given has signed that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pruned_proved: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

impl LogShape {
    fn of(scope: &Scope, found: Result<VerifiedLog, String>) -> Self {
        let (organization, environment) = (scope.organization(), scope.environment());
        let shape = Self {
            organization,
            environment,
            events: None,
            root: None,
            pruned: None,
            pruned_proved: None,
            fault: None,
        };
        match found {
            Ok(verified) => {
                let pruned = Some(verified.pruned()).filter(|pruned| *pruned > 0);
                Self {
                    events: Some(verified.size()),
                    root: Some(verified.checkpoint().root.to_string()),
                    pruned,
                    pruned_proved: pruned.map(|_| verified.is_proved()),
                    ..shape
                }
            }
            Err(fault) => Self { fault: Some(fault), ..shape },
        }
    }

    fn row(&self) -> Vec<String> {
        let events = self.events.map(|events| events.to_string()).unwrap_or_default();
        let found = match (&self.fault, self.pruned, self.pruned_proved) {
            (Some(fault), ..) => fault.clone(),
            (None, Some(pruned), Some(true)) => format!("whole; events 1 to {pruned} were pruned"),
            (None, Some(pruned), _) => format!("whole from event {} on; see below", pruned + 1),
            (None, None, _) => "whole".to_owned(),
        };
        vec![self.organization.to_string(), self.environment.to_string(), events, found]
    }

    /// The words on pruned events that nothing proves.
    fn unproved(&self) -> String {
        let log = Checkpoint::origin_of(self.organization, self.environment);
        let pruned = self.pruned.unwrap_or_default();
        format!(
            "Events 1 to {pruned} of {log} are gone. The log says that they were pruned, and anyone who can write to the \
             database could have written that: --verifier-key proves it."
        )
    }
}

pub(super) async fn verify(
    desk: &Desk,
    log: &Log,
    earlier: Option<Checkpoint>,
    keys: &[NoteVerifier],
    output: &Output,
) -> Result<(), Failure> {
    let mut logs = desk.logs(log).await?;
    if let Some(earlier) = &earlier {
        // A log that is gone altogether is still the one that the checkpoint is of.
        logs.retain(|(scope, _)| origin_of(scope) == earlier.origin);
        if logs.is_empty() {
            return Err(Failure::failed(format!(
                "the store has no log {}, which the checkpoint is of",
                earlier.origin
            )));
        }
    }
    each_fits(keys, logs.iter().map(|(scope, _)| scope))?;
    let mut progress = Progress::new(output);
    let mut shapes = Vec::new();
    let mut is_unsigned = false;
    for (scope, must_have_events) in &logs {
        let name = origin_of(scope);
        let mut report = |done| progress.show(&format!("verifying {name}: {done} events"), false);
        let must_have_events = *must_have_events;
        let check = LogCheck { earlier: earlier.as_ref(), keys, must_have_events, ..LogCheck::default() };
        let found = match verify_log(&**desk.core.store(), scope, &check, &mut report).await {
            Ok(verified) => Ok(verified),
            Err(LogFault::Store(error)) => return Err(error.into()),
            Err(fault) => {
                is_unsigned |= is_about_a_signature(&fault);
                Err(fault.to_string())
            }
        };
        shapes.push(LogShape::of(scope, found));
    }
    progress.end();
    let unproved: Vec<_> =
        shapes.iter().filter(|log| log.pruned_proved == Some(false)).map(LogShape::unproved).collect();
    let (rows, broken) =
        (shapes.iter().map(LogShape::row).collect::<Vec<_>>(), shapes.iter().filter(|log| log.fault.is_some()).count());
    output.list(
        &VerifiedShape { whole: broken == 0, logs: shapes },
        &["ORGANIZATION", "ENVIRONMENT", "EVENTS", "FOUND"],
        rows,
    )?;
    for sentence in unproved {
        output.remark(&sentence);
    }
    match broken {
        0 => Ok(()),
        1 if is_unsigned => Err(Failure::told("it is not proved that the beginning of one audit log was pruned")),
        1 => Err(Failure::told("one audit log was tampered with, or is damaged")),
        _ => Err(Failure::told("several audit logs were tampered with, are damaged, or are not proved")),
    }
}

fn origin_of(scope: &Scope) -> String {
    Checkpoint::origin_of(scope.organization(), scope.environment())
}

/// Returns whether all that is wrong with a log is who signed what stands for pruned events.
pub(super) const fn is_about_a_signature(fault: &LogFault) -> bool {
    matches!(fault, LogFault::Pruned(PrunedFault::OldForm(_) | PrunedFault::Unsigned(_)))
}

/// A key that was shown for none of these logs was given by mistake: nothing would be proved with it.
pub(super) fn each_fits<'a>(
    keys: &[NoteVerifier],
    scopes: impl Iterator<Item = &'a Scope> + Clone,
) -> Result<(), Failure> {
    for key in keys {
        if !scopes.clone().any(|scope| origin_of(scope) == key.name()) {
            return Err(Failure::usage(format!(
                "the verifier key of {} fits no log in question: it is of another store or log, or the log is gone with all \
                 that it told of",
                key.name()
            )));
        }
    }
    Ok(())
}

/// The signer, and others that are trusted.
pub(super) struct Signer {
    pub(super) key: NoteKey,
    others: Vec<NoteVerifier>,
}

impl Signer {
    /// All keys that are trusted for this log.
    pub(super) fn trusted(&self, log: &str) -> Vec<NoteVerifier> {
        [self.key.verifier(log)].into_iter().chain(self.others.iter().cloned()).collect()
    }

    /// Refuses a key that was shown for none of these logs.
    pub(super) fn each_fits<'a>(&self, scopes: impl Iterator<Item = &'a Scope> + Clone) -> Result<(), Failure> {
        each_fits(&self.others, scopes)
    }
}

pub(super) fn read_signer(file: &Path, others: Vec<NoteVerifier>) -> Result<Signer, Failure> {
    let text = std::fs::read_to_string(file).map(Zeroizing::new).map_err(|error| {
        Failure::failed(format!("{} cannot be read ({error}): `doorward audit keygen` makes a key", file.display()))
    })?;
    let key = text.parse().map_err(|error| Failure::failed(format!("{}: {error}", file.display())))?;
    Ok(Signer { key, others })
}

pub(super) fn read_checkpoint(file: &Path, keys: &[NoteVerifier]) -> Result<Checkpoint, Failure> {
    let note = std::fs::read_to_string(file)
        .map_err(|error| Failure::failed(format!("{} cannot be read: {error}", file.display())))?;
    Checkpoint::open_any(&note, keys).map_err(|error| Failure::failed(format!("{}: {error}", file.display())))
}

pub(super) async fn checkpoint(desk: &Desk, log: &Log, signer: &Signer, output: &Output) -> Result<(), Failure> {
    let scope = desk.log(log).await?;
    let now = verified(desk, &scope, signer, output).await?;
    let shape = CheckpointShape::new(&now, &signer.key).map_err(|unproved| Failure::failed(unproved.to_string()))?;
    let (origin, size, verifier) = (&shape.origin, shape.size, &shape.verifier_key);
    output.remark(&format!("{origin} has {size} events. Its verifier key is {verifier}"));
    output.plain(&shape, &shape.checkpoint)
}

/// A log that was verified just now, with all that was pruned from it. Nothing is signed of any other.
pub(super) async fn verified(
    desk: &Desk,
    scope: &Scope,
    signer: &Signer,
    output: &Output,
) -> Result<VerifiedLog, Failure> {
    signer.each_fits([scope].into_iter())?;
    let keys = signer.trusted(&origin_of(scope));
    let mut progress = Progress::new(output);
    let mut report = |done| progress.show(&format!("verifying: {done} events"), false);
    let must_have_events = must_have_events(&**desk.core.store(), scope).await?;
    let check = LogCheck { keys: &keys, must_have_events, ..LogCheck::default() };
    let found = verify_log(&**desk.core.store(), scope, &check, &mut report).await;
    progress.end();
    found.map_err(|fault| match fault {
        LogFault::Store(error) => error.into(),
        fault => Failure::failed(format!("{fault}. Nothing is signed of such a log")),
    })
}

pub(super) async fn prove(desk: &Desk, log: &Log, event: u64, signer: &Signer) -> Result<(), Failure> {
    let scope = desk.log(log).await?;
    if let Some(Pruned { size, .. }) = desk.core.store().pruned(&scope).await? {
        return Err(Failure::failed(format!(
            "events 1 to {size} were pruned, and with them the hashes that a proof goes by: a checkpoint and the whole log still verify"
        )));
    }
    let now = verified(desk, &scope, signer, &Output::new(Format::Json)).await?;
    let mut hashes = Vec::new();
    while (hashes.len() as u64) < now.size() {
        let after = (!hashes.is_empty()).then_some(hashes.len() as u64);
        let page = desk.core.store().chain(&scope, Page { after, limit: BATCH }).await?;
        if page.is_empty() {
            break;
        }
        hashes.extend(page.into_iter().flatten().filter_map(|event| event.hash));
    }
    hashes.truncate(usize::try_from(now.size()).unwrap_or(usize::MAX));
    let index = event.checked_sub(1).and_then(|index| usize::try_from(index).ok());
    let proof = index.and_then(|index| inclusion_proof(&hashes, index));
    let hashes = proof.ok_or_else(|| {
        Failure::not_found(format!("{} has no event {event}: it has {} events", origin_of(&scope), now.size()))
    })?;
    let checkpoint = now.sign(&signer.key).map_err(|unproved| Failure::failed(unproved.to_string()))?;
    output::write(&EventProof { index: event - 1, hashes, checkpoint }.to_text())
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
