//! The audit logs.

use std::io::BufRead;
use std::path::Path;
use std::time::Duration;

use doorward::audit::{
    Action, Checkpoint, Detail, Event, EventDraft, EventProof, NoteKey, NoteVerifier, Pruned, SecretSummary, Tree,
    inclusion_proof,
};
use doorward::auth::Management;
use doorward::http::shapes::List;
use doorward::key::{Random, SystemRandom};
use doorward::store::{EventFilter, LogFault, Page, Scope, StoreUrl, verify_log};
use doorward::types::{Environment, OrganizationId, Timestamp};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::arguments::{Audit, Consent, ExportFormat, Filter, Format, Log};
use crate::confirm;
use crate::desk::Desk;
use crate::export::{self, Export};
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
        let attribution = &self.ask.attribution;
        EventDraft {
            time: self.core.clock().now(),
            actor: attribution.actor.clone(),
            action,
            subject,
            organization: scope.organization(),
            environment: scope.environment(),
            source_address: attribution.source_address,
            request_id: attribution.request_id,
            detail: Detail::default(),
        }
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
            output::write(&export::json_line(&event)?)?;
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
    let mut writer = Export::begin(format, file)?;
    let exported = desk.event(&scope, Action::AuditLogExported, name.clone());
    // Before the first event is handed out; so it is the last one that is.
    desk.core.store().record(exported).await?;
    let newest = desk.core.store().events(&scope, &EventFilter::default(), Page::first(1)).await?;
    let of = newest.first().map_or(0, |event| event.sequence);
    let mut progress = Progress::new(output);
    let (mut last, mut count) = (None, 0_u64);
    while last.is_none_or(|last| last < of) {
        let page = desk.core.store().chain(&scope, Page { after: last, limit: BATCH }).await?;
        if page.is_empty() {
            break;
        }
        for event in page {
            let event =
                event.map_err(|fault| Failure::failed(format!("{fault}: `doorward audit verify` tells more")))?;
            if event.sequence > of {
                break;
            }
            writer.write(&event)?;
            (last, count) = (Some(event.sequence), count + 1);
        }
        progress.show(&format!("exporting {name}: {count} of {of} events"), count >= of);
    }
    writer.end()?;
    progress.end();
    output.remark(&format!("Exported {count} events of {name}."));
    Ok(())
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

#[derive(Serialize)]
struct CheckpointShape {
    origin: String,
    size: u64,
    root: String,
    checkpoint: String,
    verifier_key: String,
}

async fn checkpoint(desk: &Desk, log: &Log, key: &Path, output: &Output) -> Result<(), Failure> {
    let (key, scope) = (read_signing_key(key)?, desk.log(log).await?);
    let now = checkpoint_of(desk, &scope, None, output).await?;
    let (note, verifier) = (now.sign(&key), key.verifier(&now.origin).to_string());
    output.remark(&format!("{} has {} events. Its verifier key is {verifier}", now.origin, now.size));
    let Checkpoint { origin, size, root } = now;
    let shape =
        CheckpointShape { origin, size, root: root.to_string(), checkpoint: note.clone(), verifier_key: verifier };
    output.plain(&shape, &note)
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
    let mut last = None;
    'cut: loop {
        let after = last.map(|(sequence, _)| sequence);
        let page = store.chain(&scope, Page { after, limit: BATCH }).await?;
        if page.is_empty() {
            break;
        }
        for event in page.into_iter().flatten() {
            let (true, Some(hash)) = (event.draft.time < before, event.hash) else { break 'cut };
            tree.push(hash);
            last = Some((event.sequence, hash));
        }
    }
    let Some((size, last_hash)) = last else {
        return Err(Failure::not_found(format!("{origin} has no event before {before}")));
    };
    let what = format!("Events {} to {size} of {origin} are deleted for ever.", begin + 1);
    confirm::by_name(consent, &what, &origin)?;
    let checkpoint = Checkpoint { origin: origin.clone(), size, root: tree.root() }.sign(&key);
    let pruned = Pruned { size, last_hash, peaks: tree.peaks().to_vec(), checkpoint };
    let event = desk.event(&scope, Action::AuditLogPruned, format!("{origin} 1 to {size}"));
    store.prune(&scope, pruned, event).await?;
    output.done(&PrunedShape { origin, pruned: size - begin }, &format!("Deleted {} events.", size - begin))
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
