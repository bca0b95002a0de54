//! The audit logs.

mod export_file;
mod leaves;
mod logs;
mod proofs;
mod prune;
mod resign;
mod sinks;
mod verify;
mod witness;

use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use doorward::StoreUrl;
use doorward::api::views::List;
use doorward::audit::{Checkpoint, Event, ExportFormat, NoteKey, SecretSummary};
use doorward::key::{Random, SystemRandom};
use doorward::store::{EventFilter, LogError, LogExport, Page};
use doorward::types::Timestamp;
use zeroize::Zeroizing;

use crate::arguments::{Audit, Filter, Log, Which};
use crate::context::CliContext;
use crate::failure::CliError;
use crate::new_file::NewFile;
use crate::output::{self, Output};
use crate::people::ago;
use crate::progress::Progress;

use self::logs::BATCH;
use self::proofs::{check_extension, check_proof, prove, prove_extension};
use self::prune::prune;
use self::resign::resign;
use self::sinks::{delete_sink, sinks};
use self::verify::{checkpoint, checkpoint_all, read_cosigned, read_signer, verify, verify_file};
use self::witness::Witness;

pub(crate) async fn run(url: &StoreUrl, command: Audit, output: &Output) -> Result<(), CliError> {
    let existing = || CliContext::open_existing(url, output);
    match command {
        Audit::List { log, all, filter, limit, before } => {
            let context = existing().await?;
            match all {
                true => list_all(&context, &log, &filter.into(), limit).await,
                false => list(&context, &log, &filter.into(), Page { after: before, limit }).await,
            }
        }
        Audit::Follow { log, after } => follow(&existing().await?, &log, after).await,
        Audit::Export { log, format, file } => export(&existing().await?, &log, format, file.as_deref()).await,
        Audit::Verify { file: Some(file), checkpoint, verifier_key, witness_key, .. } => {
            let read = |file| read_cosigned(file, &verifier_key, &witness_key, output);
            let earlier = checkpoint.as_deref().map(read).transpose()?;
            verify_file(&file, earlier.as_ref(), &verifier_key, output).await
        }
        Audit::Verify { log, all, checkpoint, verifier_key, witness_key, file: None } => {
            // DOORWARD_ORG may name an organization beside --all.
            let log = if all { Log { which: Which::default(), ..log } } else { log };
            let read = |file| read_cosigned(file, &verifier_key, &witness_key, output);
            let earlier = checkpoint.as_deref().map(read).transpose()?;
            verify(&existing().await?, &log, earlier, &verifier_key).await
        }
        Audit::Checkpoint { log, all: _, folder, signing_key_file, verifier_key, witness, witness_key } => {
            let witnesses = Witness::all(witness, witness_key)?;
            let (context, signer) = (existing().await?, read_signer(&signing_key_file, verifier_key)?);
            match folder {
                Some(folder) => checkpoint_all(&context, &log, &signer, &folder).await,
                None => checkpoint(&context, &log, &signer, &witnesses).await,
            }
        }
        Audit::Prove { event, log, signing_key_file } => {
            let (context, signer) = (existing().await?, read_signer(&signing_key_file, vec![])?);
            prove(&context, &log, event, &signer).await
        }
        Audit::ProveExtension { log, since, signing_key_file, verifier_key } => {
            let (context, signer) = (existing().await?, read_signer(&signing_key_file, verifier_key)?);
            prove_extension(&context, &log, &since, &signer).await
        }
        Audit::Prune { log, before, signing_key_file, verifier_key, consent } => {
            let (context, signer) = (existing().await?, read_signer(&signing_key_file, verifier_key)?);
            prune(&context, &log, before, &signer, consent).await
        }
        Audit::Resign { log, signing_key_file, verifier_key, consent } => {
            let (context, signer) = (existing().await?, read_signer(&signing_key_file, verifier_key)?);
            resign(&context, &log, &signer, consent).await
        }
        Audit::Sinks => sinks(&existing().await?).await,
        Audit::ForgetSink { name, consent } => delete_sink(&existing().await?, &name, consent).await,
        Audit::CheckExtension { proof, since, verifier_key } => check_extension(&proof, &since, &verifier_key, output),
        Audit::CheckProof { proof, verifier_key } => check_proof(&proof, &verifier_key, output),
        Audit::Keygen => {
            let mut seed = Zeroizing::new([0; 32]);
            SystemRandom.fill(&mut *seed).map_err(|error| CliError::failed(error.to_string()))?;
            output::write(&NoteKey::seed_text(&seed))
        }
    }
}

impl From<Filter> for EventFilter {
    fn from(filter: Filter) -> Self {
        let Filter { since, until, action, actor, key } = filter;
        Self { since, until, action, actor, actor_part: None, subject: key.map(|key| key.to_string()) }
    }
}

const HEADER: [&str; 7] = ["#", "TIME", "ACTOR", "ACTION", "SUBJECT", "BEFORE → AFTER", "FROM"];

async fn list(context: &CliContext, log: &Log, filter: &EventFilter, page: Page<u64>) -> Result<(), CliError> {
    let scope = context.log(log).await?;
    let events = context.store.events(&scope, filter, page).await?;
    let now = context.core.clock().now();
    let rows: Vec<_> = events.iter().map(|event| row(event, now)).collect();
    context.output.list(&List::whole(events), &HEADER, rows)
}

/// Lists the newest events of all logs.
async fn list_all(context: &CliContext, log: &Log, filter: &EventFilter, limit: u32) -> Result<(), CliError> {
    let mut events: Vec<Event> = Vec::new();
    for (scope, _) in context.all_logs(log.environment).await? {
        events.extend(context.store.events(&scope, filter, Page::first(limit)).await?);
        events.sort_by_key(|event| std::cmp::Reverse(event.draft.time));
        events.truncate(limit as usize);
    }
    let names = context.organization_names().await?;
    let now = context.core.clock().now();
    let rows = events.iter().map(|event| {
        let organization = event.draft.organization;
        let name = names.get(&organization).map_or_else(|| "(installation)".to_owned(), ToString::to_string);
        [vec![name, event.draft.environment.to_string()], row(event, now)].concat()
    });
    let rows: Vec<_> = rows.collect();
    let header = [&["ORGANIZATION", "ENVIRONMENT"], &HEADER[..]].concat();
    context.output.list(&List::whole(events), &header, rows)
}

fn row(event: &Event, now: Timestamp) -> Vec<String> {
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
        ago(draft.time, now),
        draft.actor.to_string(),
        draft.action.to_string(),
        draft.subject.clone(),
        change,
        source,
    ]
}

/// The pause between two looks for new events.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

async fn follow(context: &CliContext, log: &Log, after: Option<u64>) -> Result<(), CliError> {
    let (scope, store) = (context.log(log).await?, &context.store);
    let newest = async || store.events(&scope, &EventFilter::default(), Page::first(1)).await;
    let mut last = match after {
        Some(after) => after,
        None => newest().await?.first().map_or(0, |event| event.sequence),
    };
    loop {
        for event in store.chain(&scope, Page { after: Some(last), limit: BATCH }).await? {
            let event = event.map_err(|fault| CliError::failed(fault.to_string()))?;
            output::show(&event.to_json_line())?;
            last = event.sequence;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

async fn export(context: &CliContext, log: &Log, format: ExportFormat, file: Option<&Path>) -> Result<(), CliError> {
    let scope = context.log(log).await?;
    let name = Checkpoint::origin_of(scope.organization(), scope.environment());
    let mut file = file.map(NewFile::begin).transpose()?;
    let mut output = BufWriter::new(std::io::stdout().lock());
    let writer: &mut dyn Write = match &mut file {
        Some(file) => file,
        None => &mut output,
    };
    let (store, now) = (context.store.clone(), context.core.clock().now());
    let mut export = LogExport::begin(store, scope, context.request.attribution(), now).await?;
    let of = export.size();
    let unwritten =
        |error: std::io::Error| CliError::failed(format!("the export cannot be written, and is incomplete: {error}"));
    writer.write_all(format.header().as_bytes()).map_err(unwritten)?;
    let mut progress = Progress::new(&context.output);
    let mut count = 0_u64;
    loop {
        let page = export.next_page().await.map_err(|fault| match fault {
            LogError::Store(error) => error.into(),
            fault => CliError::failed(format!("{fault}: `doorward audit verify` tells more")),
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
    file.map_or(Ok(()), NewFile::finish)?;
    progress.end();
    context.output.remark(&format!("Exported {count} events of {name}."));
    Ok(())
}
