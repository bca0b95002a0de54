use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use doorward_key::RandomError;
use doorward_store::Outbox;
use doorward_types::Name;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::{BoxSink, Shipper};

/// The time that shippers may take to note how far they came, when the program stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// The shippers of a program, one for each of its sinks. They stop when it is dropped.
#[derive(Debug)]
pub struct Shippers {
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Shippers {
    /// Starts a shipper for each sink. Needs a runtime of Tokio around it.
    ///
    /// # Errors
    ///
    /// Fails if the operating system gives no randomness.
    pub fn start(sinks: Vec<(Name, BoxSink)>, outbox: &Arc<dyn Outbox>) -> Result<Self, RandomError> {
        let stop = watch::Sender::new(false);
        let mut tasks = Vec::new();
        for (name, sink) in sinks {
            let shipper = Shipper::new(Arc::clone(outbox), name, sink)?;
            let mut stopped = stop.subscribe();
            tasks.push(tokio::spawn(shipper.run(async move { drop(stopped.wait_for(|stop| *stop).await) })));
        }
        Ok(Self { stop, tasks: Mutex::new(tasks) })
    }

    /// Stops, once each shipper has noted how far it came.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let all = async {
            for task in tasks {
                // A shipper that panicked has ended too.
                let _ = task.await;
            }
        };
        if tokio::time::timeout(STOP_TIMEOUT, all).await.is_err() {
            tracing::warn!("some sinks could not note how far they came: the events that they shipped last come again");
        }
    }
}
