//! One connection, made in the background and replaced when it fails.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use doorward_store::StoreError;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::connect::Database;
use crate::connection::Connection;
use crate::error::{Failure, unavailable};

/// A connection that several callers share. Their statements run on it one after another.
///
/// A separate task connects, so that a caller with a short deadline does not end the attempt. All these tasks run on
/// the first caller's runtime, which is the node's.
pub(crate) struct Line {
    database: Arc<Database>,
    runtime: OnceLock<Handle>,
    newest: Mutex<Option<Attempt>>,
}

/// An attempt to connect, and its result.
type Attempt = watch::Receiver<Option<Result<Arc<Connection>, Failure>>>;

impl Line {
    pub(crate) fn of(database: Arc<Database>) -> Self {
        Self { database, runtime: OnceLock::new(), newest: Mutex::default() }
    }

    /// Waits for the connection.
    pub(crate) async fn connection(&self) -> Result<Arc<Connection>, StoreError> {
        let here = Handle::try_current().map_err(unavailable)?;
        let runtime = self.runtime.get_or_init(|| here);
        let mut attempt = {
            let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
            newest.take_if(|attempt| is_over(attempt));
            newest.get_or_insert_with(|| self.connect(runtime)).clone()
        };
        let made = attempt.wait_for(Option::is_some).await.map_err(|_| unavailable("the node's runtime has ended"))?;
        Ok(made.clone().unwrap_or_else(|| Err(Failure::nowhere()))?)
    }

    /// Abandons a connection, and starts to make another at once.
    pub(crate) fn replace(&self, given_up: &Arc<Connection>) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let is_newest = newest.as_ref().is_some_and(
            |attempt| matches!(&*attempt.borrow(), Some(Ok(connection)) if Arc::ptr_eq(connection, given_up)),
        );
        if is_newest {
            *newest = self.runtime.get().map(|runtime| self.connect(runtime));
        }
    }

    fn connect(&self, runtime: &Handle) -> Attempt {
        let (sender, attempt) = watch::channel(None);
        let database = Arc::clone(&self.database);
        runtime.spawn(async move {
            let made = database.connect(None).await.map(Arc::new);
            // If no caller is left, the connection is closed.
            let _ = sender.send(Some(made));
        });
        attempt
    }
}

/// Returns true if the attempt has failed or its connection has ended.
fn is_over(attempt: &Attempt) -> bool {
    match &*attempt.borrow() {
        Some(Ok(connection)) => connection.client.is_closed(),
        Some(Err(_)) => true,
        None => attempt.has_changed().is_err(),
    }
}
