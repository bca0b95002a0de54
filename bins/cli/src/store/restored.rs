//! `doorward store restored`: the next incarnation, and what died since the backup dies again.

use std::path::PathBuf;

use doorward::StoreUrl;
use doorward::auth::restore::{Findings, KilledKey, RestoreDesk, RevivedKey};
use doorward::auth::{ChangeRequest, IssueError};
use zeroize::Zeroizing;

use super::changes::Done;
use super::document::{Document, NewValue};
use super::events::{self, Told};
use super::tables::{sentences, tables};
use crate::arguments::{Consent, Format};
use crate::confirm;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::output::{self, Output};
use crate::progress::Progress;

pub(super) async fn restored(
    url: &StoreUrl,
    files: &[PathBuf],
    dry_run: bool,
    consent: Consent,
    output: &Output,
) -> Result<(), Failure> {
    let desk = Desk::open_existing(url).await?;
    let restore = RestoreDesk::new(&desk.core, desk.operator().clone());
    // Before the events are compared with the store: a loss that is noticed later is one that this comparison did not see.
    let losses = restore.losses().await?;
    let told = match files {
        [] => Told::default(),
        files => events::read(files, restore.compare(), output).await?,
    };
    let mut done = Done::default();
    let tables = tables(&told);
    if dry_run {
        match output.format() {
            Format::Json => output.done(&Document::new(&told, &done), "")?,
            Format::Table => output::write(&tables)?,
        }
        return finished(&told, &done, output);
    }
    if !files.is_empty() {
        output.remark(tables.trim_end());
    }
    confirm::by_name(consent, &what_happens(files, &told.findings), "restored")?;
    done.restored = Some(restore.restored(told.findings.incarnation, &desk.request).await?);
    let killed = kill(&restore, &told.findings, &desk.request, &mut done, output).await;
    killed.and(output.done(&Document::new(&told, &done), &sentences(&told, &done)))?;
    finished(&told, &done, output)?;
    // Last: whatever lives again must die before any server that knows of a loss serves.
    Ok(restore.answer_for(&losses, &desk.request).await?)
}

fn what_happens(files: &[PathBuf], findings: &Findings) -> String {
    let begins = "The store's next incarnation begins: servers load it again, operators are signed out, and lost changes \
                  count as answered for.";
    if files.is_empty() {
        return format!("{begins} Without --events, keys that died since the backup stay in force.");
    }
    let Findings { keys, operators, origins, .. } = findings;
    format!(
        "{begins} The dead secrets of {} keys die again, and {} operators and {} allowed origins are removed.",
        keys.len(),
        operators.len(),
        origins.len()
    )
}

/// Removes everything again. What cannot be removed is noted, and keeps nothing else from it; nor does a value that cannot be
/// shown.
async fn kill(
    restore: &RestoreDesk,
    findings: &Findings,
    request: &ChangeRequest,
    done: &mut Done,
    output: &Output,
) -> Result<(), Failure> {
    let Findings { keys, operators, origins, .. } = findings;
    let mut progress = Progress::new(output);
    let mut shown = Ok(());
    for (number, revived) in (1..).zip(keys) {
        progress.show(&format!("killing again: key {number} of {}", keys.len()), false);
        let killed = restore.kill(revived, request).await;
        if let Ok(killed) = &killed {
            shown = shown.and(show_value(revived, killed, output));
        }
        done.keys.push(killed.map_err(reason));
    }
    for operator in operators {
        done.operators.push(restore.remove_operator(operator, request).await.map_err(reason));
    }
    for origin in origins {
        done.origins.push(restore.disallow(origin, request).await.map_err(reason));
    }
    progress.end();
    shown
}

/// A value goes out as soon as there is one: what comes next may fail.
fn show_value(revived: &RevivedKey, killed: &KilledKey, output: &Output) -> Result<(), Failure> {
    let Some(value) = NewValue::of(revived, killed).filter(|_| output.format() == Format::Table) else { return Ok(()) };
    let line = serde_json::to_string(&value).map(Zeroizing::new);
    let line = line.map_err(|error| Failure::failed(error.to_string()))?;
    output::write(&Zeroizing::new(format!("{}\n", *line)))
}

fn reason(error: IssueError) -> String {
    let failure = Failure::from(error);
    match failure.cause() {
        Some(cause) => format!("{} ({cause})", failure.problem().detail()),
        None => failure.problem().detail().to_owned(),
    }
}

/// Says by the exit status whether all was read and done.
fn finished(told: &Told, done: &Done, output: &Output) -> Result<(), Failure> {
    let what = match (done.failures(), told.unreadable) {
        (0, 0) => return Ok(()),
        (0, lines) => format!(
            "{lines} lines could not be read: what died in their events may be in force. Lost changes, if there are any, are not \
             answered for: `doorward store accept-lost` does that"
        ),
        (failed, _) => format!(
            "{failed} changes were not made: run the command again. Until then, servers that know of a lost change serve \
             nothing"
        ),
    };
    match output.format() {
        Format::Json => Err(Failure::told(&what)),
        Format::Table => Err(Failure::failed(what)),
    }
}
