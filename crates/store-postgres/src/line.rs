//! One connection that is made in the background, and made again when it is given up.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use doorward_store::StoreError;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::connect::{Connection, Database};
use crate::error::{Failure, unavailable};

/// A connection that several callers share: their statements follow each other on it.
///
/// It is made by a task of its own, so that a caller with a short deadline does not end the attempt. All tasks run on the
/// runtime of the first caller, which is the node's.
pub(crate) struct Line {
    database: Arc<Database>,
    runtime: OnceLock<Handle>,
    newest: Mutex<Option<Attempt>>,
}

/// An attempt to connect, and what came of it.
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

    /// Leaves a connection behind, and makes another at once.
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
            // If nobody waits any more, the connection is closed.
            let _ = sender.send(Some(made));
        });
        attempt
    }
}

/// Returns whether the attempt has failed, or its connection has ended.
fn is_over(attempt: &Attempt) -> bool {
    match &*attempt.borrow() {
        Some(Ok(connection)) => connection.client.is_closed(),
        Some(Err(_)) => true,
        None => attempt.has_changed().is_err(),
    }
}
