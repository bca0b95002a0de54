//! Commands on the store as a whole.

mod backup;
mod changes;
mod document;
pub(crate) mod events;
mod migrate;
mod restored;
mod tables;

use doorward::StoreUrl;
use doorward::api::views::{List, LostChangeView};
use doorward::auth::LostChanges;
use doorward::copy::{self, CopyError, CopyStep};
use doorward::store::{LostChange, Migration, OpenMode, StoreError};
use serde::Serialize;

use crate::arguments::Store;
use crate::confirm;
use crate::context::{CliContext, unopened};
use crate::failure::CliError;
use crate::output::Output;
use crate::progress::Progress;

pub(crate) async fn run(url: &StoreUrl, command: Store, output: &Output) -> Result<(), CliError> {
    match command {
        Store::Backup { file } => backup::backup(url, &file, output).await,
        Store::Copy { from, to, restart } => copy(&from, &to, restart, output).await,
        Store::Migrate { dry_run } => migrate::run(url, dry_run, output).await,
        Store::Restore { file, consent } => backup::restore(&file, url, consent, output).await,
        Store::Restored { events, dry_run, consent } => {
            restored::restored(url, &events, dry_run, consent, output).await
        }
        Store::Lost => {
            let context = CliContext::open_existing(url, output).await?;
            let lost = LostChanges::new(&context.core, context.store.clone()).list(context.operator()).await?;
            let rows = lost.iter().map(|LostChange { change, accepted, .. }| {
                vec![change.revision.to_string(), change.operation.to_string(), accepted.to_string()]
            });
            let data = lost.iter().map(LostChangeView::from).collect();
            output.list(&List::whole(data), &["REVISION", "OPERATION", "ACCEPTED"], rows)
        }
        Store::AcceptLost { consent } => {
            let context = CliContext::open_existing(url, output).await?;
            let what = "Every node serves what the store holds now: nodes accept a key again if it died in a lost \
                        change and was not regenerated since.";
            confirm::by_name(consent, what, "accept")?;
            let count = LostChanges::new(&context.core, context.store.clone()).accept(&context.request).await?;
            output.done(&serde_json::json!({ "accepted": count }), &format!("Accepted: {count} lost."))
        }
    }
}

#[derive(Serialize)]
struct CopyView {
    from: String,
    to: String,
    rows: u64,
}

async fn copy(from: &StoreUrl, to: &StoreUrl, restart: bool, output: &Output) -> Result<(), CliError> {
    let source = doorward::open_engine(from, OpenMode::Existing).await.map_err(|error| unopened(from, error))?;
    let target = doorward::open_engine(to, OpenMode::Create.with_migration(Migration::Never))
        .await
        .map_err(|error| unopened(to, error))?;
    if restart {
        match target.abandon_copy().await {
            Err(StoreError::NotFound) => {
                return Err(CliError::usage(format!("there is no unfinished copy in {to}: leave out --restart")));
            }
            other => other?,
        }
    }
    let (_, sessions) = source.sessions().await?.proved_of_any_store()?;
    let servers = sessions.iter().filter(|status| !status.retired).count();
    if servers > 0 {
        output.remark(&format!(
            "{servers} servers are registered at {from}. Stop them: if they change anything \
             meanwhile, the copy fails at its end. A server that was killed stays registered, and does no harm."
        ));
    }
    let mut progress = Progress::new(output);
    let mut report = |step: CopyStep| {
        let CopyStep { table, verifying, done, of, .. } = step;
        let doing = if verifying { "verifying" } else { "copying" };
        let percent = (done * 100).checked_div(of).unwrap_or(100);
        progress.show(&format!("{doing} {table}: {done} of {of} ({percent} %)"), done >= of);
    };
    let copied = copy::copy(&*source, &*target, &from.to_string(), &mut report).await;
    progress.end();
    let rows = copied.map_err(|error| failure(error, to))?;
    let view = CopyView { from: from.to_string(), to: to.to_string(), rows };
    let sentences = format!(
        "Copied and verified {rows} rows, the audit logs among them.\nStart the servers with --store {to} now, and never \
         again on the old store: what is changed there is not in this one. They need the same sealing key."
    );
    output.done(&view, &sentences)
}

fn failure(error: CopyError, to: &StoreUrl) -> CliError {
    match error {
        CopyError::Store(error) => error.into(),
        CopyError::NotEmpty => CliError::conflict(format!("{to} is in use: name an empty store to copy into")),
        CopyError::OtherSource(source) => CliError::conflict(format!(
            "a copy of {source} into {to} was begun, and is not finished: finish that copy, or start again with --restart"
        )),
        changed @ (CopyError::Differs { .. } | CopyError::SourceChanged(..)) => CliError::conflict(format!(
            "{changed}. The copy cannot be used: stop the servers on the source, and copy again with --restart"
        )),
        other => CliError::failed(format!("{other}; the copy cannot be used")),
    }
}
