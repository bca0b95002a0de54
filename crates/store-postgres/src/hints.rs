//! LISTEN and NOTIFY, which wake a node's poll early. Nothing depends on a hint: without it, the next regular poll
//! finds the change.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::channel;
use crate::connect::Database;
use crate::error::Failure;
use crate::statement::rows;

/// The pause before listening again after the connection broke.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// The received hints. Listening begins at the first call of `next`, so a program that only makes a change needs no
/// connection for hints.
#[derive(Debug)]
pub(crate) struct Hints {
    /// The database, or `None` if this handle does not listen.
    database: Option<Arc<Database>>,
    heard: Arc<Notify>,
    listening: OnceLock<Listening>,
}

impl Hints {
    pub(crate) fn of(database: Option<Arc<Database>>) -> Self {
        Self { database, heard: Arc::default(), listening: OnceLock::new() }
    }

    /// Returns hints of the same database, on a separate connection.
    pub(crate) fn apart(&self) -> Self {
        Self::of(self.database.clone())
    }

    /// Completes at the next hint.
    pub(crate) async fn next(&self) {
        if let Some(database) = &self.database {
            self.listening.get_or_init(|| Listening::to(Arc::clone(database), Arc::clone(&self.heard)));
        }
        self.heard.notified().await;
    }
}

/// A task that listens until this value is dropped.
#[derive(Debug)]
struct Listening(AbortHandle);

impl Listening {
    fn to(database: Arc<Database>, heard: Arc<Notify>) -> Self {
        let listening = tokio::spawn(async move {
            loop {
                if let Err(failure) = listen(&database, &heard).await {
                    tracing::debug!(%failure, "cannot listen for hints: polls continue without them");
                }
                tokio::time::sleep(RETRY_INTERVAL).await;
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
    if rows(&connection, &channel::listen()).await.is_ok() {
        connection.ended().await;
    }
    Ok(())
}
