//! Reading connections.

use std::sync::Arc;

use doorward_store::{Observation, Position, Sourced, StoreError};
use doorward_types::SessionId;
use rusqlite::{Connection, Transaction};

use crate::connection::connect;
use crate::error::unavailable;
use crate::files::Files;

/// A connection that reads.
pub(crate) struct Reader {
    pub(crate) connection: Connection,
    files: Arc<Files>,
    pub(crate) last_poll: Option<LastPoll>,
}

impl Reader {
    pub(crate) fn open(files: &Arc<Files>) -> Result<Self, StoreError> {
        files.prove()?;
        let connection = connect(files)?;
        connection.pragma_update(None, "query_only", true).map_err(unavailable)?;
        Ok(Self { connection, files: Arc::clone(files), last_poll: None })
    }

    /// Fails if the store's paths no longer name the open files. See [`Files::prove`].
    pub(crate) fn prove(&self) -> Result<(), StoreError> {
        Ok(self.files.prove()?)
    }

    /// Runs reads on one snapshot.
    pub(crate) fn read<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.prove()?;
        let transaction = self.connection.transaction().map_err(unavailable)?;
        let found = work(&transaction)?;
        transaction.commit().map_err(unavailable)?;
        Ok(found)
    }
}

/// A connection's last answer to a poll, and the file's `data_version` from before that poll.
///
/// While the version is the same, no program has committed, so the answer is still true. Such a poll takes
/// microseconds.
#[derive(Debug)]
pub(crate) struct LastPoll {
    pub(crate) data_version: i64,
    pub(crate) session: SessionId,
    pub(crate) since: Position,
    pub(crate) found: Sourced<Observation>,
}
