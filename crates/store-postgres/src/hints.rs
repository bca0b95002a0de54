//! LISTEN and NOTIFY: they wake a node's poll early. Nothing depends on a hint; where none comes, the next poll does.

use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio_postgres::AsyncMessage;

use crate::connect::Database;

pub(crate) const NOTIFY: &str = "NOTIFY doorward";
const LISTEN: &str = "LISTEN doorward";

/// How long to wait before listening again after the connection broke.
const PAUSE: Duration = Duration::from_secs(1);

/// What was heard. Listening begins when someone asks, so that who only makes a change needs no connection for it.
#[derive(Debug)]
pub(crate) struct Hints {
    /// None where nobody listens.
    database: Option<Database>,
    heard: Arc<Notify>,
    listening: OnceLock<Listening>,
}

impl Hints {
    pub(crate) fn of(database: Option<Database>) -> Self {
        Self { database, heard: Arc::default(), listening: OnceLock::new() }
    }

    /// Resolves at the next hint.
    pub(crate) async fn next(&self) {
        if let Some(database) = &self.database {
            self.listening.get_or_init(|| Listening::to(database.clone(), Arc::clone(&self.heard)));
        }
        self.heard.notified().await;
    }
}

/// Listens until it is dropped.
#[derive(Debug)]
struct Listening(AbortHandle);

impl Listening {
    fn to(database: Database, heard: Arc<Notify>) -> Self {
        let listening = tokio::spawn(async move {
            loop {
                if let Err(error) = listen(&database, &heard).await {
                    tracing::debug!(%error, "not listening for hints; polls go on");
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

async fn listen(database: &Database, heard: &Notify) -> Result<(), tokio_postgres::Error> {
    let (client, mut connection) = database.connect().await?;
    let hear = async {
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            if matches!(message?, AsyncMessage::Notification(_)) {
                heard.notify_one();
            }
        }
        Ok(())
    };
    // The connection carries out what the client asks for, and then stays to hear.
    let (ended, asked) = tokio::join!(hear, client.batch_execute(LISTEN));
    asked.and(ended)
}
