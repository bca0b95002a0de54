//! Connections that read.

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

    /// Fails if the files are no longer the ones that are open. See [`Files::prove`].
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

/// The answer to the last poll on a connection, and the file's `data_version` from before that poll looked.
///
/// While that version stands, nobody has committed since, so that the answer stands too: a poll of microseconds.
#[derive(Debug)]
pub(crate) struct LastPoll {
    pub(crate) data_version: i64,
    pub(crate) session: SessionId,
    pub(crate) since: Position,
    pub(crate) found: Sourced<Observation>,
}
