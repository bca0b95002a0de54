//! The thread or runtime of the actor, and its life cycle: start, restart after a panic, stop.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::{Control, RETRY_INTERVAL};
use crate::StartError;
use crate::node::Node;

/// The thread or runtime that runs the actor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Host {
    /// A separate thread with its own runtime: no other task in the process can delay it.
    Thread,
    /// The caller's runtime, for tests that control the runtime's clock.
    Runtime,
}

/// A node's actor. Dropping it stops the actor. On a separate thread, the actor then also removes its session.
pub(crate) struct Actor {
    control: Arc<Control>,
    ended: watch::Receiver<bool>,
    task: Option<AbortHandle>,
}

impl Actor {
    /// Starts a node's actor and returns once the node is current.
    pub(crate) async fn start(node: Arc<Node>, host: Host) -> Result<Self, StartError> {
        let (end, ended) = watch::channel(false);
        if host == Host::Runtime {
            let control = Arc::new(Control::start(node).await?);
            let here = Arc::clone(&control);
            let task = tokio::spawn(async move {
                live(&here).await;
                end.send_replace(true);
            });
            return Ok(Self { control, ended, task: Some(task.abort_handle()) });
        }
        let (answer, started) = oneshot::channel();
        let work = move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(answer.send(Err(StartError::Thread(error)))),
            };
            runtime.block_on(async {
                let control = match Control::start(node).await {
                    Ok(control) => Arc::new(control),
                    Err(error) => return drop(answer.send(Err(error))),
                };
                if answer.send(Ok(Arc::clone(&control))).is_err() {
                    control.begin_to_stop();
                }
                live(&control).await;
            });
            end.send_replace(true);
        };
        std::thread::Builder::new().name("doorward-control".to_owned()).spawn(work).map_err(StartError::Thread)?;
        let gone = |_| StartError::Thread(std::io::Error::other("the control thread ended while it started"));
        Ok(Self { control: started.await.map_err(gone)??, ended, task: None })
    }

    pub(crate) const fn control(&self) -> &Arc<Control> {
        &self.control
    }

    /// Returns whether the actor has a thread of its own.
    pub(crate) const fn has_thread(&self) -> bool {
        self.task.is_none()
    }

    /// Stops the actor, and returns once its session is removed from the store.
    pub(crate) async fn stop(&self) {
        self.control.begin_to_stop();
        // An actor that is gone has ended as well.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        self.control.begin_to_stop();
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Actor")
    }
}

/// Runs the actor until it must stop, then removes its session. After a panic, logs it and starts the actor again.
async fn live(control: &Arc<Control>) {
    let mut again = false;
    while !control.is_stopped() {
        let actor = Arc::clone(control);
        let mut running = JoinSet::new();
        running.spawn(async move {
            while again && !actor.is_stopped() {
                match actor.recover().await {
                    Ok(()) => break,
                    Err(error) => {
                        tracing::warn!(%error, "the control plane cannot start again yet");
                        tokio::time::sleep(RETRY_INTERVAL).await;
                    }
                }
            }
            actor.run().await;
        });
        if let Some(Err(error)) = running.join_next().await {
            control.node.lease.end();
            tracing::error!(%error, "the control plane of this node failed by a bug in this program: it starts again");
            again = true;
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }
    control.leave().await;
}
