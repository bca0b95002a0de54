//! Backups of an SQLite store: making and restoring them.

use std::path::Path;

use doorward::StoreUrl;
use doorward::audit::{Action, ActorId, Attribution, EventDraft};
use doorward::sqlite::{BackupProgress, SqliteStore, restore as put_back};
use doorward::store::{Migration, OpenMode, StoreError};
use doorward::types::{Clock, Environment, OrganizationId, SystemClock};
use serde::Serialize;

use crate::arguments::Consent;
use crate::confirm;
use crate::context::{actor, unopened};
use crate::failure::CliError;
use crate::output::Output;
use crate::progress::Progress;

#[derive(Serialize)]
struct BackupView {
    file: String,
    bytes: u64,
    revision: u64,
    incarnation: u64,
}

pub(super) async fn backup(url: &StoreUrl, file: &Path, output: &Output) -> Result<(), CliError> {
    let path = file_of(url)?;
    // A backup comes before a migration.
    let opened = SqliteStore::open(path, OpenMode::Existing.with_migration(Migration::Skip)).await;
    let store = opened.map_err(|error| unopened(url, error))?;
    let mut progress = Progress::new(output);
    let mut report = |BackupProgress { bytes, of, .. }: BackupProgress| {
        progress.show(&format!("writing {}: {} of {} MiB", file.display(), bytes >> 20, of >> 20), false);
    };
    let written = store.backup(file, &mut report).await;
    progress.end();
    let written = written.map_err(plainly)?;
    let view = BackupView {
        file: file.display().to_string(),
        bytes: written.bytes,
        revision: written.revision.0,
        incarnation: written.incarnation.0,
    };
    let sentences = format!(
        "Wrote {} ({} bytes), and checked it. It holds all that was committed when it began.\nIt opens no credential \
         without the sealing key: keep a copy of that key elsewhere.",
        view.file, view.bytes
    );
    output.done(&view, &sentences)
}

#[derive(Serialize)]
struct RestoreView {
    store: String,
    revision: u64,
    incarnation: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    damaged: Option<String>,
}

pub(super) async fn restore(file: &Path, url: &StoreUrl, consent: Consent, output: &Output) -> Result<(), CliError> {
    let path = file_of(url)?;
    if path.exists() {
        let what = format!(
            "{} replaces {url}: everything that only the store has is lost, and keys that died since the backup work \
             again.",
            file.display()
        );
        confirm::by_name(consent, &what, "restore")?;
    }
    let subject = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let log = (OrganizationId::INSTALLATION, Environment::Production);
    let (attribution, now) = (Attribution::local(actor()?).with_actor_id(ActorId::CLI), SystemClock.now());
    let event = EventDraft::new(&attribution, now, Action::StoreRestored, subject, log);
    let restored = put_back(file, path, event).await.map_err(|error| match error {
        StoreError::NotFound => CliError::not_found(format!("there is no backup at {}", file.display())),
        other => plainly(other),
    })?;
    let view = RestoreView {
        store: url.to_string(),
        revision: restored.revision.0,
        incarnation: restored.identity.incarnation.0,
        damaged: restored.damaged.map(|path| path.display().to_string()),
    };
    let mut sentences = format!(
        "Restored {url} as of change {}; its incarnation is {}.\nIf you have an export of the audit logs, or a sink's \
         file: run `doorward store restored --events FILE` now, which kills again what died since the backup.\nThen \
         start the servers, with the same sealing key as before.",
        view.revision, view.incarnation
    );
    if let Some(damaged) = &view.damaged {
        sentences = format!("The file that was there was damaged, and is {damaged} now.\n{sentences}");
    }
    output.done(&view, &sentences)
}

/// Returns the path of a store that is a file.
fn file_of(url: &StoreUrl) -> Result<&Path, CliError> {
    match url {
        StoreUrl::Sqlite { path, .. } => Ok(path),
        _ => Err(CliError::usage(
            "this is for a store on SQLite. On PostgreSQL, back up with `pg_dump --format=custom --schema=doorward \
             --file=FILE URL`, without `schema` and `pool_size` in the URL. To restore: stop the servers, run `pg_restore \
             --clean --if-exists --single-transaction --dbname=URL FILE`, and then `doorward store restored`, before the servers start"
                .to_owned(),
        )),
    }
}

/// Keeps the engine's own words: they say what to do about the files.
fn plainly(error: StoreError) -> CliError {
    match error {
        StoreError::Unavailable(error) => CliError::failed(error.to_string()),
        other => other.into(),
    }
}
