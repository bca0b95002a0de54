//! Copies a store to another engine. A copy can be resumed, and is verified at its end. The copied secrets are digests,
//! so keys continue to work.

use doorward_audit::{Checkpoint, PrunedError};
use doorward_records::Engine;
use doorward_store::copy::{Cell, CopiedTable, Kind, Row};
use doorward_store::{Conflict, LogCheck, LogError, Position, Scope, StoreError, verify_log};
use futures_util::future::join;
use sha2::{Digest, Sha256};

/// The number of rows in one step: a few megabytes, and well under a second of an engine's time.
const BATCH: u32 = 5_000;

/// The progress of a copy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct CopyStep {
    /// The table being copied.
    pub table: &'static str,
    /// True while rows are compared with the source, false while they are written.
    pub verifying: bool,
    /// The number of finished rows.
    pub done: u64,
    /// The number of rows in the table.
    pub of: u64,
}

/// The reason why a copy is not complete. The copied rows stay, and the next attempt continues from them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// An audit log fails verification, in the source as well as in the copy.
    #[error("the audit log {log} does not verify: {fault}")]
    BrokenLog {
        /// The log, named by the origin of its checkpoints.
        log: String,
        /// The fault of the log.
        #[source]
        fault: LogError,
    },
    /// The rows of a table differ.
    #[error(
        "{table}: the source has {source_rows} rows and the copy {copied_rows}, or one differs: the source was changed meanwhile"
    )]
    Differs {
        /// The name of the table.
        table: &'static str,
        /// The number of rows in the source.
        source_rows: u64,
        /// The number of rows in the copy.
        copied_rows: u64,
    },
    /// The target store is not empty.
    #[error("the store to copy into is not empty")]
    NotEmpty,
    /// The target store has an unfinished copy of another store.
    #[error("the target store has an unfinished copy of {0}")]
    OtherSource(String),
    /// The source was changed during the copy.
    #[error("the source was changed during the copy, from revision {0} to {1}")]
    SourceChanged(u64, u64),
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Copies the content of `from` into `to`, verifies the copy, and opens `to` for use. Returns the number of verified
/// rows.
///
/// No program may use `to` before the copy has ended. A change to `from` during the copy makes the copy fail at its
/// end.
///
/// # Errors
///
/// [`CopyError`].
pub async fn copy(
    from: &dyn Engine,
    to: &dyn Engine,
    source: &str,
    report: &mut (dyn FnMut(CopyStep) + Send),
) -> Result<u64, CopyError> {
    let begun = from.position().await?.proved_of_any_store()?.1;
    let (_, identity) = from.identity().await?.proved_of_any_store()?;
    let progress = match to.begin_copy(source).await {
        Err(StoreError::Conflict(Conflict::NotEmpty)) => return Err(CopyError::NotEmpty),
        other => other?,
    };
    if progress.source != source {
        return Err(CopyError::OtherSource(progress.source));
    }
    for table in from.tables() {
        let came_to = progress.tables.iter().find(|(name, _)| name == table.name).map(|(_, until)| until.as_str());
        fill(from, to, table, came_to, report).await?;
    }
    let mut rows = 0;
    for table in from.tables() {
        rows += verify(from, to, table, report).await?;
    }
    verify_logs(to).await?;
    let ended: Position = from.position().await?.proved_of_any_store()?.1;
    if ended != begun {
        return Err(CopyError::SourceChanged(begun.revision.0, ended.revision.0));
    }
    if let Some(key) = identity.sealing_key {
        let known = to.identity().await?.proved_of_any_store()?.1.sealing_key;
        if known != Some(key) && !to.name_sealing_key(known, key, None).await? {
            return Err(CopyError::NotEmpty);
        }
    }
    to.finish_copy(begun.revision, identity.prefix.as_ref(), identity.incarnation).await?;
    Ok(rows)
}

/// Copies the missing rows of one table.
async fn fill(
    from: &dyn Engine,
    to: &dyn Engine,
    table: &'static CopiedTable,
    came_to: Option<&str>,
    report: &mut (dyn FnMut(CopyStep) + Send),
) -> Result<(), CopyError> {
    let of = from.count(table).await?;
    let came_to = came_to.map(|text| key_from_text(table, text)).transpose()?;
    let mut done = if came_to.is_some() { to.count(table).await? } else { 0 };
    let mut page = from.rows(table, came_to, BATCH).await?;
    while let Some(last) = page.last() {
        let key: Row = last.iter().take(table.key).cloned().collect();
        let (count, until) = (page.len() as u64, key_to_text(&key));
        // Meanwhile, the source reads the next page.
        let (next, added) = join(from.rows(table, Some(key), BATCH), to.add_rows(table, page, until)).await;
        added?;
        done += count;
        report(CopyStep { table: table.name, verifying: false, done, of });
        page = next?;
    }
    Ok(to.table_filled(table).await?)
}

/// Compares the number and the content of a table's rows in both stores.
async fn verify(
    from: &dyn Engine,
    to: &dyn Engine,
    table: &'static CopiedTable,
    report: &mut (dyn FnMut(CopyStep) + Send),
) -> Result<u64, CopyError> {
    let of = from.count(table).await?;
    let mut here = |done| report(CopyStep { table: table.name, verifying: true, done, of });
    let mut silently = |_| {};
    let (source, copied) = join(sum(from, table, &mut silently), sum(to, table, &mut here)).await;
    let (source, copied) = (source?, copied?);
    if source == copied {
        Ok(copied.rows)
    } else {
        Err(CopyError::Differs { table: table.name, source_rows: source.rows, copied_rows: copied.rows })
    }
}

/// Verifies every audit log of the copy.
#[expect(clippy::disallowed_methods, reason = "names every log; no caller's authority")]
async fn verify_logs(store: &dyn Engine) -> Result<(), CopyError> {
    for (organization, environment) in store.logs().await? {
        let scope = Scope::assertion(organization, environment);
        let verified = verify_log(store, &scope, &LogCheck::default(), &mut |_| {}).await;
        let verified = verified.map_err(|fault| match fault {
            LogError::Store(error) => error.into(),
            fault => CopyError::BrokenLog { log: Checkpoint::origin_of(organization, environment), fault },
        });
        match verified {
            // An older program pruned the source's log. The copy has the same rows, which can be signed again in either
            // store.
            Err(CopyError::BrokenLog { fault: LogError::Pruned(PrunedError::OldForm(_)), .. }) => {}
            verified => drop(verified?),
        }
    }
    Ok(())
}

/// The content of a table, independent of an engine's order: the count of rows, and the sum of their SHA-256 digests.
#[derive(Debug, Default, Eq, PartialEq)]
struct Sum {
    rows: u64,
    halves: [u128; 2],
}

async fn sum(
    store: &dyn Engine,
    table: &'static CopiedTable,
    report: &mut (dyn FnMut(u64) + Send),
) -> Result<Sum, StoreError> {
    let mut sum = Sum::default();
    let mut page = store.rows(table, None, BATCH).await?;
    while let Some(last) = page.last() {
        let key = last.iter().take(table.key).cloned().collect();
        let add = async { page.iter().for_each(|row| sum.add(row)) };
        let (next, ()) = join(store.rows(table, Some(key), BATCH), add).await;
        report(sum.rows);
        page = next?;
    }
    Ok(sum)
}

impl Sum {
    fn add(&mut self, row: &Row) {
        let mut hash = Sha256::new();
        for cell in row {
            let (tag, bytes): (u8, &[u8]) = match cell {
                Cell::Null => (0, &[]),
                Cell::Bytes(bytes) => (1, bytes),
                Cell::Text(text) => (2, text.as_bytes()),
                Cell::Number(number) => (3, &number.to_be_bytes()),
                Cell::Flag(flag) => (4, &[u8::from(*flag)]),
            };
            hash.update([tag]);
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        }
        let digest: [u8; 32] = hash.finalize().into();
        self.rows += 1;
        for (half, bytes) in self.halves.iter_mut().zip(digest.as_chunks::<16>().0) {
            *half = half.wrapping_add(u128::from_be_bytes(*bytes));
        }
    }
}

/// Returns a row's key as text, for the note of the progress.
fn key_to_text(key: &Row) -> String {
    let texts: Vec<_> = key
        .iter()
        .map(|cell| match cell {
            Cell::Number(number) => number.to_string(),
            Cell::Text(text) => text.clone(),
            Cell::Bytes(_) | Cell::Flag(_) | Cell::Null => String::new(),
        })
        .collect();
    serde_json::to_string(&texts).unwrap_or_default()
}

fn key_from_text(table: &CopiedTable, text: &str) -> Result<Row, StoreError> {
    let corrupt = |error: &dyn std::fmt::Display| StoreError::Corrupt(format!("how far a copy has come: {error}"));
    let texts: Vec<String> = serde_json::from_str(text).map_err(|error| corrupt(&error))?;
    let cell = |((_, kind), text): (&(&str, Kind), String)| match kind {
        Kind::Number => text.parse().map(Cell::Number).map_err(|error| corrupt(&error)),
        _ => Ok(Cell::Text(text)),
    };
    table.columns.iter().take(table.key).zip(texts).map(cell).collect()
}
