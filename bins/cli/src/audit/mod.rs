//! The audit logs.

mod logs;
mod prune;
mod resign;
mod sinks;
mod verify;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use doorward::StoreUrl;
use doorward::api::shapes::List;
use doorward::audit::{Checkpoint, ExportFormat, NoteKey, SecretSummary};
use doorward::key::{Random, SystemRandom};
use doorward::store::{EventFilter, LogExport, LogFault, Page};
use zeroize::Zeroizing;

use crate::arguments::{Audit, Filter, Log};
use crate::desk::Desk;
use crate::failure::Failure;
use crate::output::{self, Output};
use crate::progress::Progress;

use self::logs::BATCH;
use self::prune::prune;
use self::resign::resign;
use self::sinks::{forget_sink, sinks};
use self::verify::{check_proof, checkpoint, prove, read_checkpoint, read_signer, verify};

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
            let earlier = checkpoint.as_deref().map(|file| read_checkpoint(file, &verifier_key)).transpose()?;
            verify(&Desk::open_existing(url).await?, &log, earlier, &verifier_key, output).await
        }
        Audit::Checkpoint { log, signing_key_file, verifier_key } => {
            let (desk, signer) = (Desk::open_existing(url).await?, read_signer(&signing_key_file, verifier_key)?);
            checkpoint(&desk, &log, &signer, output).await
        }
        Audit::Prove { event, log, signing_key_file } => {
            let (desk, signer) = (Desk::open_existing(url).await?, read_signer(&signing_key_file, vec![])?);
            prove(&desk, &log, event, &signer).await
        }
        Audit::Prune { log, before, signing_key_file, verifier_key, consent } => {
            let (desk, signer) = (Desk::open_existing(url).await?, read_signer(&signing_key_file, verifier_key)?);
            prune(&desk, &log, before, &signer, consent, output).await
        }
        Audit::Resign { log, signing_key_file, verifier_key, consent } => {
            let (desk, signer) = (Desk::open_existing(url).await?, read_signer(&signing_key_file, verifier_key)?);
            resign(&desk, &log, &signer, consent, output).await
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
    let (store, now) = (Arc::clone(desk.core.store()), desk.core.clock().now());
    let mut export = LogExport::begin(store, scope, desk.request.attribution(), now).await?;
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
