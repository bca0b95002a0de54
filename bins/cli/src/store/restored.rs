//! `doorward store restored`: begins the next incarnation, and kills again what died since the backup.

use std::path::PathBuf;

use doorward::StoreUrl;
use doorward::auth::restore::{Findings, KilledKey, RestoreReview, RevivedKey};
use doorward::auth::{ChangeRequest, ManageError};
use zeroize::Zeroizing;

use super::changes::Done;
use super::document::{Document, NewValue};
use super::events::{self, Told};
use super::tables::{sentences, tables};
use crate::arguments::{Consent, Format};
use crate::confirm;
use crate::context::CliContext;
use crate::failure::CliError;
use crate::output::{self, Output};
use crate::progress::Progress;

pub(super) async fn restored(
    url: &StoreUrl,
    files: &[PathBuf],
    dry_run: bool,
    consent: Consent,
    output: &Output,
) -> Result<(), CliError> {
    let context = CliContext::open_existing(url, output).await?;
    let restore = RestoreReview::new(&context.core, context.store.clone(), context.operator().clone());
    // Before the events are compared with the store: the comparison does not cover losses that are noticed later.
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
    done.restored = Some(restore.restored(told.findings.incarnation, &context.request).await?);
    let killed = kill(&restore, &told.findings, &context.request, &mut done, output).await;
    killed.and(output.done(&Document::new(&told, &done), &sentences(&told, &done)))?;
    finished(&told, &done, output)?;
    // Last: keys that work again must die before a server that knows of a loss serves.
    Ok(restore.answer_for(&losses, &context.request).await?)
}

fn what_happens(files: &[PathBuf], findings: &Findings) -> String {
    let begins = "The store's next incarnation begins: servers load it again, operators are signed out, and lost changes \
                  count as answered for.";
    if files.is_empty() {
        return format!("{begins} Without --events, keys that died since the backup stay in force.");
    }
    let Findings { keys, operators, passkeys, origins, organizations, .. } = findings;
    format!(
        "{begins} The dead secrets of {} keys die again, {} operators, {} passkeys and {} allowed origins are removed, and {} \
         organizations are closed or suspended.",
        keys.len(),
        operators.len(),
        passkeys.len(),
        origins.len(),
        organizations.len()
    )
}

/// Removes everything again. A removal that fails is noted, and the others are still made; the same holds for a value that
/// cannot be shown.
async fn kill(
    restore: &RestoreReview,
    findings: &Findings,
    request: &ChangeRequest,
    done: &mut Done,
    output: &Output,
) -> Result<(), CliError> {
    let Findings { keys, operators, passkeys, origins, organizations, .. } = findings;
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
    for passkey in passkeys {
        done.passkeys.push(restore.drop_passkey(passkey, request).await.map_err(reason));
    }
    for origin in origins {
        done.origins.push(restore.disallow(origin, request).await.map_err(reason));
    }
    // Last: a closed organization has no keys and origins to remove.
    for organization in organizations {
        done.organizations.push(restore.end_organization(organization, request).await.map_err(reason));
    }
    progress.end();
    shown
}

/// Prints a value as soon as it exists: the next change may fail.
fn show_value(revived: &RevivedKey, killed: &KilledKey, output: &Output) -> Result<(), CliError> {
    let Some(value) = NewValue::of(revived, killed).filter(|_| output.format() == Format::Table) else { return Ok(()) };
    let line = serde_json::to_string(&value).map(Zeroizing::new);
    let line = line.map_err(|error| CliError::failed(error.to_string()))?;
    output::write(&Zeroizing::new(format!("{}\n", *line)))
}

fn reason(error: ManageError) -> String {
    let failure = CliError::from(error);
    match failure.cause() {
        Some(cause) => format!("{} ({cause})", failure.problem().detail()),
        None => failure.problem().detail().to_owned(),
    }
}

/// Chooses the exit status: whether everything was read and done.
fn finished(told: &Told, done: &Done, output: &Output) -> Result<(), CliError> {
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
        Format::Json => Err(CliError::told(&what)),
        Format::Table => Err(CliError::failed(what)),
    }
}
