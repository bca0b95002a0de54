//! `doorward import`: takes over the keys of another service by their digests.
//!
//! The whole file is checked first, then against the store. Then each key is imported in a transaction of its own, with its
//! organization if that is new. So an interrupted import has whole keys only, and the next run continues from there: the
//! store knows every key that was imported.

mod file;
mod plan;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use doorward::StoreUrl;
use doorward::auth::{ChangeRequest, ImportOwner, Issuer, KeyImport, ManageError};
use doorward::store::OpenMode;
use serde::Serialize;
use tokio::task::JoinSet;

use self::file::{Fault, Reading};
use self::plan::{Group, Plan};
use crate::arguments::{Format, Import};
use crate::context::CliContext;
use crate::failure::CliError;
use crate::output::Output;
use crate::progress::Progress;

/// The number of organizations whose keys are imported at the same time. Engines make such changes in one transaction.
const AT_ONCE: usize = 32;

/// The maximum number of faults in a message.
const MAX_LISTED: usize = 20;

/// The outcome, or with `--dry-run` the plan.
#[derive(Debug, Default, Serialize)]
struct Summary {
    dry_run: bool,
    imported: u64,
    already_imported: u64,
    revoked_since: u64,
    refused: Vec<Fault>,
}

pub(crate) async fn run(url: &StoreUrl, import: Import, output: &Output) -> Result<(), CliError> {
    let text = read(&import.file)?;
    let mode = if import.dry_run { OpenMode::Existing } else { OpenMode::Create };
    let context = CliContext::open(url, mode, import.prefix, output).await?;
    let reading =
        Reading { format: import.format, organization: import.organization.as_deref(), prefix: context.core.prefix() };
    let (entries, faults) = reading.read(&text);
    if !faults.is_empty() {
        return Err(CliError::usage(listed("the file has faults, and nothing was imported", &faults)));
    }
    let mut progress = Progress::new(output);
    let plan = Plan::of(&context, entries, &mut progress).await;
    progress.end();
    let plan = plan?;
    if !plan.faults.is_empty() {
        return Err(CliError::conflict(listed("the store refuses keys, and nothing was imported", &plan.faults)));
    }
    let mut summary = Summary { dry_run: import.dry_run, already_imported: plan.known, ..Summary::default() };
    if import.dry_run {
        summary.imported = plan.groups.iter().map(|group| group.entries.len() as u64).sum();
    } else {
        let imported = import_all(&context, plan.groups, &mut summary, &mut progress).await;
        progress.end();
        imported?;
    }
    finish(output, &summary)
}

fn read(path: &Path) -> Result<String, CliError> {
    if path != Path::new("-") {
        return std::fs::read_to_string(path).map_err(|error| CliError::of_file("read", path, &error));
    }
    let mut text = String::new();
    let read = std::io::stdin().lock().read_to_string(&mut text);
    read.map_err(|error| CliError::failed(format!("standard input cannot be read: {error}")))?;
    Ok(text)
}

/// Imports all keys. The keys of one organization follow each other.
async fn import_all(
    context: &CliContext,
    groups: Vec<Group>,
    summary: &mut Summary,
    progress: &mut Progress,
) -> Result<(), CliError> {
    let total: usize = groups.iter().map(|group| group.entries.len()).sum();
    let (request, mut done) = (Arc::new(context.request.clone()), 0);
    let (mut waiting, mut running) = (groups.into_iter(), JoinSet::new());
    loop {
        while running.len() < AT_ONCE
            && let Some(group) = waiting.next()
        {
            running.spawn(import_group(context.issuer.clone(), group, Arc::clone(&request)));
        }
        let Some(ended) = running.join_next().await else { return Ok(()) };
        let ended =
            ended.map_err(|error| CliError::failed(format!("the import broke off: {error}; run it again")))??;
        done += ended.imported + ended.revoked_since + ended.refused.len() as u64 + ended.already_imported;
        summary.add(ended);
        progress.show(&format!("imported {done} of {total} keys"), done as usize == total);
    }
}

/// Imports the keys of one organization in order. The first production key of a new organization makes it.
async fn import_group(issuer: Issuer, group: Group, request: Arc<ChangeRequest>) -> Result<Summary, CliError> {
    let (mut owner, mut summary) = (group.owner, Summary::default());
    for entry in group.entries {
        let mut import = KeyImport::new(owner.clone(), entry.environment, entry.digest);
        (import.name, import.created_at) = (entry.name, entry.created_at);
        match issuer.import(import, &request).await {
            Ok(imported) => {
                owner = ImportOwner::Existing(imported.key.organization);
                match imported.receipt {
                    Some(_) => summary.imported += 1,
                    None => summary.already_imported += 1,
                }
            }
            Err(ManageError::ImportRevoked) => summary.revoked_since += 1,
            Err(ManageError::Store(error)) => return Err(error.into()),
            Err(refused) => summary.refused.push(Fault::new(entry.line, refused)),
        }
    }
    Ok(summary)
}

impl Summary {
    fn add(&mut self, part: Self) {
        self.imported += part.imported;
        self.already_imported += part.already_imported;
        self.revoked_since += part.revoked_since;
        self.refused.extend(part.refused);
    }

    fn sentences(&self) -> String {
        let keys = |count: u64| format!("{count} key{}", if count == 1 { "" } else { "s" });
        let mut text = match self.dry_run {
            true => format!("The file and the store allow the import of {}. Nothing was changed.", keys(self.imported)),
            false => format!("Imported {}; they work on every server now.", keys(self.imported)),
        };
        if self.already_imported > 0 {
            text += &format!(" {} worked already.", keys(self.already_imported));
        }
        if self.revoked_since > 0 {
            text += &format!(" {} had been imported and revoked since: not imported again.", keys(self.revoked_since));
        }
        text
    }
}

/// Prints the outcome. Fails if a key was refused after all.
fn finish(output: &Output, summary: &Summary) -> Result<(), CliError> {
    output.done(summary, &summary.sentences())?;
    if summary.refused.is_empty() {
        return Ok(());
    }
    // The document of programs names the refused lines already.
    let refused = CliError::conflict(listed("the store refused keys; all others are imported", &summary.refused));
    Err(if output.format() == Format::Json { refused.into_told() } else { refused })
}

fn listed(what: &str, faults: &[Fault]) -> String {
    let lines = faults.iter().take(MAX_LISTED).map(|Fault { line, reason }| format!("\n  line {line}: {reason}"));
    let more = match faults.len().saturating_sub(MAX_LISTED) {
        0 => String::new(),
        more => format!("\n  and {more} more"),
    };
    format!("{what}:{}{more}", lines.collect::<String>())
}
