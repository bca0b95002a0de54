//! LISTEN and NOTIFY: they wake a node's poll early. Nothing depends on a hint: if none comes, the next poll finds the change.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use doorward_store_sql::sql;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::connect::Database;
use crate::error::Failure;
use crate::statement::rows;

/// How long to wait before listening again after the connection broke.
const PAUSE: Duration = Duration::from_secs(1);

/// The hints that were heard. Listening begins at the first question, so that a program that only makes a change needs no connection for
/// it.
#[derive(Debug)]
pub(crate) struct Hints {
    /// The database; none if this handle does not listen.
    database: Option<Arc<Database>>,
    heard: Arc<Notify>,
    listening: OnceLock<Listening>,
}

impl Hints {
    pub(crate) fn of(database: Option<Arc<Database>>) -> Self {
        Self { database, heard: Arc::default(), listening: OnceLock::new() }
    }

    /// Returns hints of the same database, on a connection of their own.
    pub(crate) fn apart(&self) -> Self {
        Self::of(self.database.clone())
    }

    /// Resolves at the next hint.
    pub(crate) async fn next(&self) {
        if let Some(database) = &self.database {
            self.listening.get_or_init(|| Listening::to(Arc::clone(database), Arc::clone(&self.heard)));
        }
        self.heard.notified().await;
    }
}

/// Listens until it is dropped.
#[derive(Debug)]
struct Listening(AbortHandle);

impl Listening {
    fn to(database: Arc<Database>, heard: Arc<Notify>) -> Self {
        let listening = tokio::spawn(async move {
            loop {
                if let Err(failure) = listen(&database, &heard).await {
                    tracing::debug!(%failure, "not listening for hints; polls go on");
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self(listening.abort_handle())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn listen(database: &Database, heard: &Arc<Notify>) -> Result<(), Failure> {
    let mut connection = database.connect(Some(heard)).await?;
    if rows(&connection.client, &sql("LISTEN doorward")).await.is_ok() {
        connection.ended().await;
    }
    Ok(())
}
