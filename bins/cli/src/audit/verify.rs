//! Verification of logs, and checkpoints of them.

use std::fmt::Display;
use std::io::Write;
use std::path::Path;

use doorward::api::views::{CheckpointView, List};
use doorward::audit::{ChainError, Checkpoint, NoteKey, NoteVerifier, PrunedError, VerifiedLog, WitnessVerifier};
use doorward::secret_files;
use doorward::store::{LogCheck, LogError, Scope, must_have_events, verify_log};
use doorward::types::{Environment, OrganizationId};
use serde::Serialize;

use super::export_file::ExportFile;
use super::leaves::leaves;
use super::witness::{Witness, cosigned};
use crate::arguments::Log;
use crate::context::CliContext;
use crate::failure::CliError;
use crate::new_file::NewFile;
use crate::output::Output;
use crate::progress::Progress;

#[derive(Serialize)]
struct VerifiedView {
    whole: bool,
    logs: Vec<LogView>,
}

/// A log, and the outcome of its verification.
#[derive(Serialize)]
struct LogView {
    organization: OrganizationId,
    environment: Environment,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<String>,
    /// The number of events that were pruned from the beginning, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pruned: Option<u64>,
    /// True if one of the given keys has signed the pruning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pruned_proved: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

impl LogView {
    fn of(scope: &Scope, found: Result<VerifiedLog, String>) -> Self {
        let verified = found.as_ref().ok();
        let pruned = verified.map(VerifiedLog::pruned).filter(|pruned| *pruned > 0);
        Self {
            organization: scope.organization(),
            environment: scope.environment(),
            events: verified.map(VerifiedLog::size),
            root: verified.map(|verified| verified.checkpoint().root.to_string()),
            pruned,
            pruned_proved: verified.filter(|_| pruned.is_some()).map(VerifiedLog::is_proved),
            fault: found.err(),
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

    /// Returns the warning about pruned events without proof.
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
    context: &CliContext,
    log: &Log,
    earlier: Option<Checkpoint>,
    keys: &[NoteVerifier],
) -> Result<(), CliError> {
    let mut logs = context.logs(log).await?;
    if let Some(earlier) = &earlier {
        // A checkpoint of a log that is missing as a whole still names that log.
        logs.retain(|(scope, _)| origin_of(scope) == earlier.origin);
        if logs.is_empty() {
            return Err(CliError::failed(format!(
                "the store has no log {}, which the checkpoint is of",
                earlier.origin
            )));
        }
    }
    each_fits(keys, logs.iter().map(|(scope, _)| scope))?;
    let mut progress = Progress::new(&context.output);
    let mut views = Vec::new();
    let mut is_unsigned = false;
    for (scope, must_have_events) in &logs {
        let name = origin_of(scope);
        let mut report = |done| progress.show(&format!("verifying {name}: {done} events"), false);
        let must_have_events = *must_have_events;
        let check =
            LogCheck::default().with_earlier(earlier.as_ref()).with_keys(keys).with_must_have_events(must_have_events);
        let found = match verify_log(&*context.store, scope, &check, &mut report).await {
            Ok(verified) => Ok(verified),
            Err(LogError::Store(error)) => return Err(error.into()),
            Err(fault) => {
                is_unsigned |= is_about_a_signature(&fault);
                Err(fault.to_string())
            }
        };
        views.push(LogView::of(scope, found));
    }
    progress.end();
    let unproved: Vec<_> = views.iter().filter(|log| log.pruned_proved == Some(false)).map(LogView::unproved).collect();
    let (rows, broken) =
        (views.iter().map(LogView::row).collect::<Vec<_>>(), views.iter().filter(|log| log.fault.is_some()).count());
    context.output.list(
        &VerifiedView { whole: broken == 0, logs: views },
        &["ORGANIZATION", "ENVIRONMENT", "EVENTS", "FOUND"],
        rows,
    )?;
    for sentence in unproved {
        context.output.remark(&sentence);
    }
    match broken {
        0 => Ok(()),
        1 if is_unsigned => Err(CliError::told("it is not proved that the beginning of one audit log was pruned")),
        1 => Err(CliError::told("one audit log was tampered with, or is damaged")),
        _ => Err(CliError::told("several audit logs were tampered with, are damaged, or are not proved")),
    }
}

/// Verifies an exported log. A store is not needed.
pub(super) async fn verify_file(
    path: &Path,
    earlier: Option<&Checkpoint>,
    keys: &[NoteVerifier],
    output: &Output,
) -> Result<(), CliError> {
    let file = ExportFile::open(path)?;
    let (scope, name) = (file.scope(), origin_of(file.scope()));
    if let Some(earlier) = earlier.filter(|earlier| earlier.origin != name) {
        return Err(CliError::failed(format!("the export is of {name}, and the checkpoint is of {}", earlier.origin)));
    }
    each_fits(keys, [scope].into_iter())?;
    let mut progress = Progress::new(output);
    let mut report = |done| progress.show(&format!("verifying {name}: {done} events"), false);
    let check = LogCheck::default().with_earlier(earlier).with_keys(keys).with_must_have_events(true);
    let found = verify_log(&file, scope, &check, &mut report).await;
    progress.end();
    let found = match found {
        Ok(verified) => Ok(verified),
        Err(LogError::Store(error)) => return Err(error.into()),
        Err(fault @ LogError::Chain(ChainError::Missing { from: 1, .. })) => {
            Err(format!("{fault} from the file: put the lines of an export from before they were pruned in front"))
        }
        Err(fault) => Err(fault.to_string()),
    };
    let is_broken = found.is_err();
    let view = LogView::of(scope, found);
    let row = view.row();
    let header = ["ORGANIZATION", "ENVIRONMENT", "EVENTS", "FOUND"];
    output.list(&VerifiedView { whole: !is_broken, logs: vec![view] }, &header, [row])?;
    if is_broken {
        return Err(CliError::told("the export was tampered with, or is damaged"));
    }
    match earlier {
        Some(earlier) => output.remark(&format!("It extends the checkpoint of {} events.", earlier.size)),
        None => output.remark(
            "Only a checkpoint that was kept elsewhere proves that the end was not cut off, and that the log was not written \
             again as a whole: --checkpoint FILE --verifier-key KEY.",
        ),
    }
    Ok(())
}

pub(super) fn origin_of(scope: &Scope) -> String {
    Checkpoint::origin_of(scope.organization(), scope.environment())
}

/// Returns whether the only fault of a log is the signature of its pruned events.
pub(super) const fn is_about_a_signature(fault: &LogError) -> bool {
    matches!(fault, LogError::Pruned(PrunedError::OldForm(_) | PrunedError::Unsigned(_)))
}

/// Refuses a key that fits none of these logs: it was given by mistake, and would prove nothing.
pub(super) fn each_fits<'a>(
    keys: &[NoteVerifier],
    scopes: impl Iterator<Item = &'a Scope> + Clone,
) -> Result<(), CliError> {
    for key in keys {
        if !scopes.clone().any(|scope| origin_of(scope) == key.name()) {
            return Err(CliError::usage(format!(
                "the verifier key of {} fits none of these logs: it belongs to another store or log, or its log is missing as a whole",
                key.name()
            )));
        }
    }
    Ok(())
}

/// The signing key, with the other trusted keys.
pub(super) struct Signer {
    pub(super) key: NoteKey,
    others: Vec<NoteVerifier>,
}

impl Signer {
    /// Returns all keys that are trusted for this log.
    pub(super) fn trusted(&self, log: &str) -> Vec<NoteVerifier> {
        [self.key.verifier(log)].into_iter().chain(self.others.iter().cloned()).collect()
    }

    /// Refuses a key that fits none of these logs.
    pub(super) fn each_fits<'a>(&self, scopes: impl Iterator<Item = &'a Scope> + Clone) -> Result<(), CliError> {
        each_fits(&self.others, scopes)
    }
}

pub(super) fn read_signer(file: &Path, others: Vec<NoteVerifier>) -> Result<Signer, CliError> {
    let text = secret_files::read(file).map_err(|error| match error.is_missing() {
        true => CliError::failed(format!("there is no file {}: `doorward audit keygen` makes a key", file.display())),
        false => CliError::of_file("used", file, &error),
    })?;
    let key = text.parse().map_err(|error| CliError::failed(format!("{}: {error}", file.display())))?;
    Ok(Signer { key, others })
}

/// Reads a checkpoint that one of these keys has signed.
pub(super) fn read_checkpoint(file: &Path, keys: &[NoteVerifier]) -> Result<Checkpoint, CliError> {
    read_cosigned(file, keys, &[], &Output::silent())
}

/// Reads a checkpoint that one of these keys has signed, and that each of these witnesses has cosigned.
pub(super) fn read_cosigned(
    file: &Path,
    keys: &[NoteVerifier],
    witnesses: &[WitnessVerifier],
    output: &Output,
) -> Result<Checkpoint, CliError> {
    let failed = |error: &dyn Display| CliError::failed(format!("{}: {error}", file.display()));
    let note = std::fs::read_to_string(file).map_err(|error| CliError::of_file("read", file, &error))?;
    let checkpoint = Checkpoint::open_any(&note, keys).map_err(|error| failed(&error))?;
    for witness in witnesses {
        let time = witness.cosigned_at(&note).map_err(|error| failed(&error))?;
        output.remark(&format!("{} has cosigned the checkpoint at {time}.", witness.name()));
    }
    Ok(checkpoint)
}

pub(super) async fn checkpoint(
    context: &CliContext,
    log: &Log,
    signer: &Signer,
    witnesses: &[Witness],
) -> Result<(), CliError> {
    let scope = context.log(log).await?;
    let must_have_events = must_have_events(&*context.store, &scope).await?;
    let now = verified(context, &scope, signer, must_have_events, &context.output).await?;
    let mut view = CheckpointView::new(&now, &signer.key).map_err(|unproved| CliError::failed(unproved.to_string()))?;
    if !witnesses.is_empty() {
        view.checkpoint = cosigned(witnesses, &leaves(context, &scope, &now).await?, view.checkpoint).await?;
    }
    let (origin, size, verifier) = (&view.origin, view.size, &view.verifier_key);
    context.output.remark(&format!("{origin} has {size} events. Its verifier key is {verifier}"));
    context.output.plain(&view, &view.checkpoint)
}

/// Writes a checkpoint of each log into a new file of this folder, and beside it the key that verifies it.
pub(super) async fn checkpoint_all(
    context: &CliContext,
    log: &Log,
    signer: &Signer,
    folder: &Path,
) -> Result<(), CliError> {
    std::fs::create_dir_all(folder).map_err(|error| CliError::of_file("made", folder, &error))?;
    let logs = context.all_logs(log.environment).await?;
    let file = |scope: &Scope, end| folder.join(format!("{}-{}.{end}", scope.organization(), scope.environment()));
    let files = logs.iter().flat_map(|(scope, _)| ["note", "verifier"].map(|end| file(scope, end)));
    if let Some(taken) = files.into_iter().find(|file| file.symlink_metadata().is_ok()) {
        return Err(CliError::conflict(format!(
            "{} exists, and no checkpoint is replaced: name a new folder, such as one with the date",
            taken.display()
        )));
    }
    let mut views = Vec::new();
    for (scope, must_have_events) in logs {
        let now = verified(context, &scope, signer, must_have_events, &context.output).await?;
        let view = CheckpointView::new(&now, &signer.key).map_err(|unproved| CliError::failed(unproved.to_string()))?;
        write_new(&file(&scope, "note"), &view.checkpoint)?;
        write_new(&file(&scope, "verifier"), &format!("{}\n", view.verifier_key))?;
        views.push(view);
    }
    let sentence = format!(
        "Wrote checkpoints of {} logs into {}: each LOG.note verifies with the key in LOG.verifier.",
        views.len(),
        folder.display()
    );
    context.output.done(&List::whole(views), &sentence)
}

fn write_new(path: &Path, text: &str) -> Result<(), CliError> {
    let mut file = NewFile::begin(path)?;
    file.write_all(text.as_bytes()).map_err(|error| CliError::of_file("written", path, &error))?;
    file.finish()
}

/// Verifies a log now, with its pruned events. Only such a log is signed.
pub(super) async fn verified(
    context: &CliContext,
    scope: &Scope,
    signer: &Signer,
    must_have_events: bool,
    output: &Output,
) -> Result<VerifiedLog, CliError> {
    signer.each_fits([scope].into_iter())?;
    let keys = signer.trusted(&origin_of(scope));
    let mut progress = Progress::new(output);
    let mut report = |done| progress.show(&format!("verifying: {done} events"), false);
    let check = LogCheck::default().with_keys(&keys).with_must_have_events(must_have_events);
    let found = verify_log(&*context.store, scope, &check, &mut report).await;
    progress.end();
    found.map_err(|fault| match fault {
        LogError::Store(error) => error.into(),
        fault => CliError::failed(format!("{fault}. Nothing is signed of such a log")),
    })
}
