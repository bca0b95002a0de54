//! The audit logs.

use std::fs::File;
use std::io::{BufRead, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use doorward::audit::{
    Action, Checkpoint, Event, EventDraft, EventProof, ExportFormat, NoteKey, NoteVerifier, Pruned, SecretSummary,
    Tree, inclusion_proof,
};
use doorward::auth::Management;
use doorward::http::shapes::{CheckpointShape, List, SinkShape};
use doorward::key::{Random, SystemRandom};
use doorward::store::{Conflict, EventFilter, LogExport, LogFault, Page, Scope, StoreError, StoreUrl, verify_log};
use doorward::types::{Environment, Name, OrganizationId, Timestamp};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::arguments::{Audit, Consent, Filter, Format, Log};
use crate::confirm;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::output::{self, Output};
use crate::progress::Progress;

pub(crate) async fn run(url: &StoreUrl, command: Audit, output: &Output) -> Result<(), Failure> {
    match command {
        Audit::List { log, filter, limit, before } => {
            let page = Page { after: before, limit };
            list(&Desk::open_existing(url).await?, &log, filter, page, output).await
        }
        Audit::Follow { log, after } => follow(&Desk::open_existing(url).await?, &log, after).await,
        Audit::Export { log, format, file } => {
            export(&Desk::open_existing(url).await?, &log, format, file.as_deref(), output).await
        }
        Audit::Verify { log, checkpoint, verifier_key } => {
            let earlier =
                checkpoint.as_deref().zip(verifier_key.as_ref()).map(|(file, key)| read_checkpoint(file, key));
            let (desk, earlier) = (Desk::open_existing(url).await?, earlier.transpose()?);
            verify(&desk, &log, earlier, verifier_key.as_ref(), output).await
        }
        Audit::Checkpoint { log, signing_key_file } => {
            checkpoint(&Desk::open_existing(url).await?, &log, &signing_key_file, output).await
        }
        Audit::Prove { event, log, signing_key_file } => {
            prove(&Desk::open_existing(url).await?, &log, event, &signing_key_file).await
        }
        Audit::Prune { log, before, signing_key_file, consent } => {
            prune(&Desk::open_existing(url).await?, &log, before, &signing_key_file, consent, output).await
        }
        Audit::Sinks => sinks(&Desk::open_existing(url).await?, output).await,
        Audit::ForgetSink { name, consent } => {
            forget_sink(&Desk::open_existing(url).await?, &name, consent, output).await
        }
        Audit::CheckProof { proof, verifier_key } => check_proof(&proof, &verifier_key, output),
        Audit::Keygen => {
            let mut seed = Zeroizing::new([0; 32]);
            SystemRandom.fill(&mut *seed).map_err(|error| Failure::failed(error.to_string()))?;
            output::write(&NoteKey::seed_text(&seed))
        }
    }
}

impl Desk {
    /// The one log that was meant: the production log, where nothing else is said.
    async fn log(&self, log: &Log) -> Result<Scope, Failure> {
        let organization = match log.installation {
            true => OrganizationId::INSTALLATION,
            false => self.organization(&log.which).await?.id,
        };
        Ok(self.scope(organization, log.environment.unwrap_or(Environment::Production)))
    }

    /// Those logs that were meant: every one, where nothing is said.
    async fn logs(&self, log: &Log) -> Result<Vec<Scope>, Failure> {
        if log.installation {
            return Ok(vec![self.log(log).await?]);
        }
        let all = self.core.store().logs().await?;
        let only = match &log.which.org {
            Some(_) => Some(self.organization(&log.which).await?.id),
            None => None,
        };
        let meant = all.into_iter().filter(|(organization, environment)| {
            only.is_none_or(|only| only == *organization) && log.environment.is_none_or(|only| only == *environment)
        });
        Ok(meant.map(|(organization, environment)| self.scope(organization, environment)).collect())
    }

    /// An event that is about a log itself.
    fn event(&self, scope: &Scope, action: Action, subject: String) -> EventDraft {
        let log = (scope.organization(), scope.environment());
        EventDraft::new(&self.ask.attribution, self.core.clock().now(), action, subject, log)
    }

    fn scope(&self, organization: OrganizationId, environment: Environment) -> Scope {
        Management::of_store_holder(self.ask.attribution.actor.clone()).scope(organization, environment)
    }
}

async fn list(desk: &Desk, log: &Log, filter: Filter, page: Page<u64>, output: &Output) -> Result<(), Failure> {
    let scope = desk.log(log).await?;
    let Filter { since, until, action, actor, key } = filter;
    let filter = EventFilter { since, until, action, actor, subject: key.map(|key| key.to_string()) };
    let events = desk.core.store().events(&scope, &filter, page).await?;
    let rows: Vec<_> = events
        .iter()
        .map(|event| {
            let draft = &event.draft;
            let source = draft.source_address.map(|address| address.to_string()).unwrap_or_default();
            let locators = |secrets: &[SecretSummary]| {
                secrets.iter().map(|s| format!("{} ({})", s.locator, s.state)).collect::<Vec<_>>().join(", ")
            };
            let change = match (locators(&draft.detail.before), locators(&draft.detail.after)) {
                (before, after) if before.is_empty() && after.is_empty() => String::new(),
                (before, after) => format!("{before} → {after}"),
            };
            vec![
                event.sequence.to_string(),
                draft.time.to_string(),
                draft.actor.to_string(),
                draft.action.to_string(),
                draft.subject.clone(),
                change,
                source,
            ]
        })
        .collect();
    let header = ["#", "TIME", "ACTOR", "ACTION", "SUBJECT", "BEFORE → AFTER", "FROM"];
    output.list(&List { data: events, next_cursor: None }, &header, rows)
}

/// How often a follower looks for what is new.
const LOOK: Duration = Duration::from_millis(500);

/// Events at a time, where all are wanted.
const BATCH: u32 = 5_000;

async fn follow(desk: &Desk, log: &Log, after: Option<u64>) -> Result<(), Failure> {
    let (scope, store) = (desk.log(log).await?, desk.core.store());
    let newest = async || store.events(&scope, &EventFilter::default(), Page::first(1)).await;
    let mut last = match after {
        Some(after) => after,
        None => newest().await?.first().map_or(0, |event| event.sequence),
    };
    loop {
        for event in store.chain(&scope, Page { after: Some(last), limit: BATCH }).await? {
            let event = event.map_err(|fault| Failure::failed(fault.to_string()))?;
            output::write(&event.to_json_line())?;
            last = event.sequence;
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn export(
    desk: &Desk,
    log: &Log,
    format: ExportFormat,
    file: Option<&Path>,
    output: &Output,
) -> Result<(), Failure> {
    let scope = desk.log(log).await?;
    let name = Checkpoint::origin_of(scope.organization(), scope.environment());
    let mut writer = open(file)?;
    let exported = desk.event(&scope, Action::AuditLogExported, name.clone());
    let mut export = LogExport::begin(Arc::clone(desk.core.store()), scope, exported).await?;
    let of = export.size();
    let unwritten =
        |error: std::io::Error| Failure::failed(format!("the export cannot be written, and is not whole: {error}"));
    writer.write_all(format.header().as_bytes()).map_err(unwritten)?;
    let mut progress = Progress::new(output);
    let mut count = 0_u64;
    loop {
        let page = export.next_page().await.map_err(|fault| match fault {
            LogFault::Store(error) => error.into(),
            fault => Failure::failed(format!("{fault}: `doorward audit verify` tells more")),
        })?;
        if page.is_empty() {
            break;
        }
        for event in &page {
            writer.write_all(format.line(event).as_bytes()).map_err(unwritten)?;
        }
        count += page.len() as u64;
        progress.show(&format!("exporting {name}: {count} of {of} events"), count >= of);
    }
    writer.flush().map_err(unwritten)?;
    progress.end();
    output.remark(&format!("Exported {count} events of {name}."));
    Ok(())
}

/// Where an export goes; a file must be new, and is made so that no one else can read it.
fn open(file: Option<&Path>) -> Result<Box<dyn Write>, Failure> {
    let Some(path) = file else { return Ok(Box::new(BufWriter::new(std::io::stdout().lock()))) };
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let made = options.open(path);
    let made = made.map_err(|error| Failure::failed(format!("{} cannot be made: {error}", path.display())))?;
    Ok(Box::new(BufWriter::new(made)))
}

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

async fn verify(
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

fn read_checkpoint(file: &Path, key: &NoteVerifier) -> Result<Checkpoint, Failure> {
    let note = std::fs::read_to_string(file)
        .map_err(|error| Failure::failed(format!("{} cannot be read: {error}", file.display())))?;
    Checkpoint::open(&note, key).map_err(|error| Failure::failed(format!("{}: {error}", file.display())))
}

async fn checkpoint(desk: &Desk, log: &Log, key: &Path, output: &Output) -> Result<(), Failure> {
    let (key, scope) = (read_signing_key(key)?, desk.log(log).await?);
    let now = checkpoint_of(desk, &scope, None, output).await?;
    let shape = CheckpointShape::new(&now, &key);
    let (origin, size, verifier) = (&now.origin, now.size, &shape.verifier_key);
    output.remark(&format!("{origin} has {size} events. Its verifier key is {verifier}"));
    output.plain(&shape, &shape.checkpoint)
}

fn read_signing_key(file: &Path) -> Result<NoteKey, Failure> {
    let text = std::fs::read_to_string(file).map(Zeroizing::new).map_err(|error| {
        Failure::failed(format!("{} cannot be read ({error}): `doorward audit keygen` makes a key", file.display()))
    })?;
    text.parse().map_err(|error| Failure::failed(format!("{}: {error}", file.display())))
}

/// The checkpoint of a log that was verified just now.
async fn checkpoint_of(
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

#[derive(Serialize)]
struct PrunedShape {
    origin: String,
    pruned: u64,
}

async fn prune(
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
    let step = |tree: &Tree, last_hash| {
        let size = tree.size();
        let checkpoint = Checkpoint { origin: origin.clone(), size, root: tree.root() }.sign(key);
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
            last = Some((event.sequence, hash));
            if tree.size().is_multiple_of(STEP) {
                steps.push(step(tree, hash));
            }
        }
    }
    if let Some((_, hash)) = last.filter(|_| !tree.size().is_multiple_of(STEP)) {
        steps.push(step(tree, hash));
    }
    Ok(steps)
}

async fn sinks(desk: &Desk, output: &Output) -> Result<(), Failure> {
    let data: Vec<_> = desk.core.store().sinks().await?.into_iter().map(SinkShape::from).collect();
    let rows: Vec<_> = data
        .iter()
        .map(|sink| {
            let since = sink.behind_since.map(|since| since.to_string()).unwrap_or_default();
            let held = if sink.held { "yes" } else { "no" };
            vec![sink.name.to_string(), sink.position.to_string(), sink.behind.to_string(), since, held.to_owned()]
        })
        .collect();
    let header = ["NAME", "SHIPPED TO", "EVENTS BEHIND", "OLDEST WAITS SINCE", "HELD BY A NODE"];
    output.list(&List { data, next_cursor: None }, &header, rows)
}

async fn forget_sink(desk: &Desk, name: &Name, consent: Consent, output: &Output) -> Result<(), Failure> {
    if !desk.core.store().sinks().await?.iter().any(|sink| sink.name == *name) {
        return Err(Failure::not_found(format!(
            "no sink `{name}` has ever shipped; `doorward audit sinks` lists them"
        )));
    }
    let what = format!("It is forgotten how far the sink {name} has come: should it ship again, all events come anew.");
    confirm::by_name(consent, &what, name.as_str())?;
    desk.core.store().forget_sink(name).await?;
    output.done(&serde_json::json!({"name": name}), &format!("Forgot {name}."))
}

async fn prove(desk: &Desk, log: &Log, event: u64, key: &Path) -> Result<(), Failure> {
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

fn check_proof(file: &Path, verifier: &NoteVerifier, output: &Output) -> Result<(), Failure> {
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
