//! What concerns the store as a whole.

mod backup;
mod changes;
mod document;
mod events;
mod restored;
mod tables;

use doorward::StoreUrl;
use doorward::api::shapes::{List, LostChangeShape};
use doorward::auth::LossDesk;
use doorward::copy::{self, CopyError, CopyStep};
use doorward::store::{LostChange, OpenMode, StoreError};
use serde::Serialize;

use crate::arguments::Store;
use crate::confirm;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::Progress;

pub(crate) async fn run(url: &StoreUrl, command: Store, output: &Output) -> Result<(), Failure> {
    match command {
        Store::Backup { file } => backup::backup(url, &file, output).await,
        Store::Copy { from, to, restart } => copy(&from, &to, restart, output).await,
        Store::Restore { file, consent } => backup::restore(&file, url, consent, output).await,
        Store::Restored { events, dry_run, consent } => {
            restored::restored(url, &events, dry_run, consent, output).await
        }
        Store::Lost => {
            let desk = Desk::open_existing(url).await?;
            let lost = LossDesk::new(&desk.core).list(desk.operator()).await?;
            let rows = lost.iter().map(|LostChange { change, accepted }| {
                vec![change.revision.to_string(), change.operation.to_string(), accepted.to_string()]
            });
            let data = lost.iter().map(LostChangeShape::from).collect();
            output.list(&List { data, next_cursor: None }, &["REVISION", "OPERATION", "ACCEPTED"], rows)
        }
        Store::AcceptLost { consent } => {
            let desk = Desk::open_existing(url).await?;
            let what = "Every node serves what the store holds now: a key that died in a lost change, and was not \
                        regenerated since, is accepted again.";
            confirm::by_name(consent, what, "accept")?;
            let count = LossDesk::new(&desk.core).accept(&desk.request).await?;
            output.done(&serde_json::json!({ "accepted": count }), &format!("Accepted: {count} lost."))
        }
    }
}

#[derive(Serialize)]
struct CopyShape {
    from: String,
    to: String,
    rows: u64,
}

async fn copy(from: &StoreUrl, to: &StoreUrl, restart: bool, output: &Output) -> Result<(), Failure> {
    let of = |url: &StoreUrl, error: StoreError| match error {
        StoreError::Missing => Failure::not_found(format!("there is no store at {url}")),
        other => other.into(),
    };
    let source = doorward::open(from, OpenMode::Existing).await.map_err(|error| of(from, error))?;
    let target = doorward::open(to, OpenMode::Create).await.map_err(|error| of(to, error))?;
    if restart {
        match target.abandon_copy().await {
            Err(StoreError::Missing) => {
                return Err(Failure::usage(format!("there is no unfinished copy in {to}: leave out --restart")));
            }
            other => other?,
        }
    }
    let (_, sessions) = source.sessions().await?.proved_of_any_store()?;
    let servers = sessions.iter().filter(|status| !status.retired).count();
    if servers > 0 {
        output.remark(&format!(
            "{servers} servers are registered at {from}. What they change meanwhile makes the copy fail at its end: stop \
             them. One that was killed stays registered, and does no harm."
        ));
    }
    let mut progress = Progress::new(output);
    let mut report = |step: CopyStep| {
        let CopyStep { table, verifying, done, of } = step;
        let doing = if verifying { "verifying" } else { "copying" };
        let percent = (done * 100).checked_div(of).unwrap_or(100);
        progress.show(&format!("{doing} {table}: {done} of {of} ({percent} %)"), done >= of);
    };
    let copied = copy::copy(&*source, &*target, &from.to_string(), &mut report).await;
    progress.end();
    let rows = copied.map_err(|error| failure(error, to))?;
    let shape = CopyShape { from: from.to_string(), to: to.to_string(), rows };
    let sentences = format!(
        "Copied and verified {rows} rows, the audit logs among them.\nStart the servers with --store {to} now, and never \
         again on the old store: what is changed there is not in this one. They need the same sealing key."
    );
    output.done(&shape, &sentences)
}

fn failure(error: CopyError, to: &StoreUrl) -> Failure {
    match error {
        CopyError::Store(error) => error.into(),
        CopyError::NotEmpty => Failure::conflict(format!("{to} is in use: name an empty store to copy into")),
        CopyError::OtherSource(source) => Failure::conflict(format!(
            "a copy of {source} into {to} was begun, and is not finished: go on with that one, or begin anew with --restart"
        )),
        changed @ (CopyError::Differs { .. } | CopyError::SourceChanged(..)) => Failure::conflict(format!(
            "{changed}. The copy cannot be used: stop the servers on the source, and copy again with --restart"
        )),
        other => Failure::failed(format!("{other}; the copy cannot be used")),
    }
}
