//! A log in a file, as `audit export` writes it. It is verified like a log in a store.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use doorward::audit::{ChainError, Event, EventDraft, FiledEvent, Pruned};
use doorward::store::{AuditLog, EventFilter, Page, Scope, StoreError};
use doorward::types::{Environment, OrganizationId};

use crate::failure::CliError;
use crate::store::events::read_line;

/// An exported log, in JSON Lines.
#[derive(Debug)]
pub(super) struct ExportFile {
    scope: Scope,
    lines: Mutex<Lines>,
}

#[derive(Debug)]
struct Lines {
    file: BufReader<File>,
    /// The places of the lines after known events, since a verification may look ahead and read on from before.
    places: HashMap<Option<u64>, u64>,
}

impl ExportFile {
    /// Opens an export. Its first event names the log.
    #[expect(clippy::disallowed_methods, reason = "names the log that a file says it is of; it opens no store")]
    pub(super) fn open(path: &Path) -> Result<Self, CliError> {
        let failed = |error: std::io::Error| CliError::of_file("read", path, &error);
        let mut file = BufReader::new(File::open(path).map_err(failed)?);
        let mut first = Vec::new();
        read_line(&mut file, &mut first).map_err(failed)?;
        let first = filed(&first).map_err(|reason| {
            CliError::failed(format!("{} is no export in JSON Lines, line 1: {reason}", path.display()))
        })?;
        let EventDraft { organization, environment, .. } = first.event.draft;
        let lines = Lines { file, places: HashMap::from([(None, 0)]) };
        Ok(Self { scope: Scope::assertion(organization, environment), lines: Mutex::new(lines) })
    }

    /// Returns the log that the file is of.
    pub(super) const fn scope(&self) -> &Scope {
        &self.scope
    }
}

impl Lines {
    fn after(&mut self, scope: &Scope, page: Page<u64>) -> std::io::Result<Vec<Result<Event, ChainError>>> {
        let Some(place) = self.places.get(&page.after) else { return Ok(vec![]) };
        let mut place = *place;
        self.file.seek(SeekFrom::Start(place))?;
        let (mut events, mut last, mut line) = (Vec::new(), page.after, Vec::new());
        while events.len() < page.limit as usize {
            line.clear();
            let length = read_line(&mut self.file, &mut line)?;
            if length == 0 {
                break;
            }
            place += length as u64;
            let event = read(&line, scope, last.unwrap_or_default() + 1);
            let is_readable = event.is_ok();
            last = event.as_ref().map_or(last, |event| Some(event.sequence));
            events.push(event);
            if !is_readable {
                break;
            }
        }
        self.places.insert(last, place);
        Ok(events)
    }
}

fn filed(line: &[u8]) -> Result<FiledEvent, String> {
    let line = str::from_utf8(line).map_err(|_| "this is no text in UTF-8".to_owned())?;
    FiledEvent::from_line(line).map_err(|error| error.to_string())
}

/// Reads a line. `next` is the place that the event should have.
fn read(line: &[u8], scope: &Scope, next: u64) -> Result<Event, ChainError> {
    let unreadable = |reason: String| ChainError::Unreadable { sequence: next, reason };
    let FiledEvent { event, hash_fits, .. } = filed(line).map_err(unreadable)?;
    let EventDraft { organization, environment, .. } = &event.draft;
    if (*organization, *environment) != (scope.organization(), scope.environment()) {
        return Err(unreadable("it is of another log".to_owned()));
    }
    // A changed field that this program does not know is found by the hash of the line alone.
    if !hash_fits && event.hash == Some(event.computed_hash()) {
        return Err(ChainError::Changed(event.sequence));
    }
    Ok(event)
}

/// The error of a method that verifications do not call.
fn unreadable() -> StoreError {
    StoreError::Unavailable("an export has only its events".into())
}

#[async_trait]
impl AuditLog for ExportFile {
    async fn chain(&self, scope: &Scope, page: Page<u64>) -> Result<Vec<Result<Event, ChainError>>, StoreError> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.after(scope, page).map_err(|error| StoreError::Unavailable(error.into()))
    }

    async fn events(&self, _: &Scope, _: &EventFilter, _: Page<u64>) -> Result<Vec<Event>, StoreError> {
        Err(unreadable())
    }

    async fn logs(&self) -> Result<Vec<(OrganizationId, Environment)>, StoreError> {
        Ok(vec![(self.scope.organization(), self.scope.environment())])
    }

    async fn prune(&self, _: &Scope, _: Pruned, _: EventDraft) -> Result<(), StoreError> {
        Err(unreadable())
    }

    async fn pruned(&self, _: &Scope) -> Result<Option<Pruned>, StoreError> {
        Ok(None)
    }

    async fn record(&self, _: EventDraft) -> Result<(), StoreError> {
        Err(unreadable())
    }

    async fn resign(&self, _: &Pruned, _: Pruned, _: EventDraft) -> Result<(), StoreError> {
        Err(unreadable())
    }
}
