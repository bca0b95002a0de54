//! The control plane, which keeps a node current and tells writers when a change is in effect.
//!
//! One actor per node owns the session, the poll, the lease, the acknowledgement and the sweep. It has its own thread,
//! runtime and connections ([`NodeRegistry::control`]), so requests cannot delay a poll. It publishes two values: the
//! [`Lease`], which verifications read, and the applied revision, which writers in this process wait for.
//!
//! # The premises of the promise, and their checks
//!
//! | premise | check |
//! |---|---|
//! | a poll reads the primary of the writers' store, with a schema that this program knows | the poll's own statement reads its provenance, and only [`Sourced::proved`](doorward_store::Sourced::proved) releases the facts; [`Knowledge::judge`] calls it |
//! | a load reads the same store, and ends before the node serves | each page is a [`Sourced`](doorward_store::Sourced); [`Control::refresh`] repeats a failed load |
//! | the store has every confirmed change | [`Knowledge::judge`] compares the operation at the known revision |
//! | a lease begins before its poll | [`Control::refresh`] reads the clock before it asks |
//! | a poll is on time | [`host`]: the actor's own thread, runtime and connections; [`Control::in_time`]: a deadline at every step |
//! | only applied changes are acknowledged | [`Control::refresh`] names the revision after [`Node::apply`]; [`Control::keep_acknowledging`] writes it beside the polls, with its operation: a store without that operation ignores it |
//! | a change knows its audience | a node registers before its first read; the change's own transaction reads the longest lease ever registered |
//! | the wait ends | [`effect`]: a timer for W beside all other waits of a writer |
//! | an answer follows the wait | [`effect::settle`]: every first or repeated answer about an operation waits for the operation's revision |
//! | a node's own report is about this history | [`Hearing`]: only polls that began after the commit count |
//! | writers use the same prefix | the prefix is in the store: [`Core::adopt`] at the start, and every change's own transaction |
//!
//! If a premise fails, the lease is not renewed, the log names the premise, and the node answers 503.

mod deadline;
pub(crate) mod effect;
mod host;
mod janitor;
mod lease;
mod lease_log;
mod load;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as PlainMutex, PoisonError};
use std::time::Duration;

use doorward_store::{
    Knowledge, LONGEST_LEASE, NodeDescription, NodeRegistry, Poll, Position, Revision, Session, StoreError, StoreId,
};
use doorward_types::{Incarnation, SessionId};
use tokio::sync::{Mutex, Notify, watch};

use self::deadline::within;
pub(crate) use self::host::{Actor, Host};
use self::janitor::Janitor;
pub(crate) use self::lease::Lease;
use crate::node::{Node, describe};
use crate::{Core, StartError};

/// The longest pause between two attempts while the store fails.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// The maximum number of attempts at the first poll of a starting node: a busy machine is slow, and the node has no
/// lease to lose yet.
const MAX_STARTS: u32 = 8;

/// The interval between two descriptions of this node in the store. People see by it that the node lives.
const DESCRIBE_INTERVAL: Duration = Duration::from_secs(60);

/// The pause after which the machine counts as suspended, and the lease must not be trusted.
const SUSPENSION_THRESHOLD: Duration = Duration::from_millis(500);

/// The actor of one node.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) node: Arc<Node>,
    /// The store, over the control plane's own connections.
    pub(crate) store: Arc<dyn NodeRegistry>,
    /// The state of the actor. Only the actor locks it while it runs.
    progress: Mutex<Progress>,
    /// The number of polls begun.
    polls: AtomicU64,
    /// The progress of this node, for writers in this process.
    applied: watch::Sender<Applied>,
    /// The revision for which other processes wait.
    wanted: watch::Sender<Option<Applied>>,
    /// Wakes the actor: a writer in this process has committed.
    nudge: Notify,
    stop: watch::Sender<bool>,
    /// The error of the newest step, for the log.
    failure: PlainMutex<Option<String>>,
}

/// A session, and the newest change that it has applied and published. A session that serves nothing need not apply the
/// change: it loads everything before it serves again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Applied {
    session: SessionId,
    position: Position,
    /// The number of the poll that read the change.
    poll: u64,
}

/// A view of this node's progress, for a writer in this process.
#[derive(Clone, Debug)]
pub(crate) struct Hearing {
    applied: watch::Receiver<Applied>,
    /// The newest poll begun before. That poll and older polls may report a history that a restore has ended.
    polls: u64,
}

impl Hearing {
    /// Returns the node's session if the node has applied this revision by a poll that began after [`Control::hear`].
    pub(crate) fn session_at(&mut self, revision: Revision) -> Option<SessionId> {
        let newest = *self.applied.borrow_and_update();
        (newest.poll > self.polls && newest.position.revision >= revision).then_some(newest.session)
    }

    /// Waits for the node's next progress.
    pub(crate) async fn changed(&mut self) {
        if self.applied.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

/// The progress of the actor.
#[derive(Debug)]
struct Progress {
    session: SessionId,
    knowledge: Knowledge,
    /// True if the node has applied everything up to `knowledge`. After a failed load, `knowledge` is ahead of the
    /// applied state.
    is_loaded: bool,
    /// The number of the newest poll.
    poll: u64,
    /// True if a writer may wait for this session's acknowledgement, whatever the next poll says.
    acknowledgement_due: bool,
    /// The lost change that this node has reported to the store.
    reported: Option<Position>,
    /// The lost change whose active secrets were logged.
    told: Option<Position>,
}

impl Control {
    /// Registers a session, loads every active secret and polls once. The caller then runs [`Control::run`].
    ///
    /// # Errors
    ///
    /// [`StartError`] if the store cannot be read, is doubtful, or has keys with another prefix.
    pub(crate) async fn start(node: Arc<Node>) -> Result<Self, StartError> {
        let core = node.core.clone();
        let store = core.store.control().unwrap_or_else(|| core.store.clone());
        let session = register(&core, &*store).await?;
        let (incarnation, position) = (Incarnation::FIRST, Position::default());
        let knowledge = Knowledge { store: node.store, incarnation, position };
        let progress = Progress {
            session,
            knowledge,
            is_loaded: false,
            poll: 0,
            acknowledgement_due: true,
            reported: None,
            told: None,
        };
        let control = Self {
            node,
            store,
            progress: Mutex::new(progress),
            polls: AtomicU64::new(0),
            applied: watch::Sender::new(Applied { session, position: Position::default(), poll: 0 }),
            wanted: watch::Sender::new(None),
            nudge: Notify::new(),
            stop: watch::Sender::new(false),
            failure: PlainMutex::default(),
        };
        if let Err(error) = control.begin().await {
            // The session has verified nothing yet, so no writer needs to wait for it.
            let session = control.progress.lock().await.session;
            let _ = control.in_time(control.store.remove(&[session])).await;
            return Err(error.into());
        }
        Ok(control)
    }

    async fn begin(&self) -> Result<(), StoreError> {
        let mut progress = self.progress.lock().await;
        self.load(&mut progress).await?;
        let mut tries = 1..MAX_STARTS;
        loop {
            match self.refresh(&mut progress).await {
                Err(StoreError::Unavailable(_)) if tries.next().is_some() => tokio::time::sleep(RETRY_INTERVAL).await,
                other => return other,
            }
        }
    }

    /// Returns the id of the store that this node started on.
    pub(crate) fn store_id(&self) -> StoreId {
        self.node.store
    }

    /// Returns the node's current session.
    pub(crate) fn session(&self) -> SessionId {
        self.applied.borrow().session
    }

    /// Tells the actor that this process has committed a change. Returns a view of the node's progress from now on.
    pub(crate) fn hear(&self) -> Hearing {
        let hearing = Hearing { applied: self.applied.subscribe(), polls: self.polls.load(Ordering::SeqCst) };
        self.nudge.notify_one();
        hearing
    }

    /// Runs until [`Control::stop`]: polls, acknowledges, sweeps and watches the lease concurrently.
    pub(crate) async fn run(&self) {
        let mut stop = self.stop.subscribe();
        tokio::select! {
            biased;
            () = self.keep_polling() => {}
            () = self.keep_acknowledging() => {}
            () = Janitor::new().keep_sweeping(&self.node.core, &*self.store) => {}
            () = lease_log::keep(&self.node, &self.failure) => {}
            () = self.keep_describing() => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    /// Starts again after a panic, with a new session and a new load.
    pub(crate) async fn recover(&self) -> Result<(), StoreError> {
        self.node.lease.end();
        let mut progress = self.progress.lock().await;
        let before = progress.session;
        self.register_again(&mut progress).await?;
        let _ = self.in_time(self.store.remove(&[before])).await;
        self.load(&mut progress).await
    }

    /// Returns true if the actor must stop.
    pub(crate) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Tells the actor to stop.
    pub(crate) fn begin_to_stop(&self) {
        self.stop.send_replace(true);
    }

    /// Ends the lease and removes the session from the store, so that no writer waits for it. The actor must have
    /// ended.
    pub(crate) async fn leave(&self) {
        self.node.lease.end();
        let session = self.progress.lock().await.session;
        if let Err(error) = self.in_time(self.store.remove(&[session])).await {
            let error = describe(&error);
            tracing::warn!(error, "this node's session stays in the store until a writer removes it");
        }
    }

    async fn keep_polling(&self) {
        let (core, interval) = (&self.node.core, self.store.poll_interval());
        loop {
            let before = (core.clock.tick(), core.clock.reading());
            let failure = self.refresh(&mut *self.progress.lock().await).await.err();
            self.note(failure.as_ref());
            let pause = if failure.is_some() { RETRY_INTERVAL } else { interval };
            // Wait for the next poll, or until the engine or a writer in this process reports a change.
            tokio::select! {
                biased;
                () = tokio::time::sleep(pause) => {}
                () = self.store.change_notified() => {}
                () = self.nudge.notified() => {}
            }
            // The hot clock stops during suspend, so it cannot tell the end of the lease until the next poll.
            let (tick, reading) = (core.clock.tick(), core.clock.reading());
            if reading.longest_since(before.1) > tick.since(before.0) + SUSPENSION_THRESHOLD {
                self.node.lease.end();
                tracing::warn!("this machine was suspended: the node serves again after its next poll");
            }
        }
    }

    fn note(&self, failure: Option<&StoreError>) {
        if let Some(error) = failure {
            self.node.store_failed(error);
        }
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure.map(|error| describe(error));
    }

    /// Polls once: applies and publishes all changes, and extends the lease.
    async fn refresh(&self, progress: &mut Progress) -> Result<(), StoreError> {
        loop {
            if !progress.is_loaded {
                self.load(progress).await?;
            }
            // Read the clock before the request: a lease that began at the answer would cover a time that the poll did
            // not see.
            let asked = self.node.core.clock.tick();
            match self.observe(progress).await? {
                Poll::UpToDate { position, changes, origins, acknowledgement_wanted } => {
                    progress.knowledge.position = position;
                    progress.acknowledgement_due |= acknowledgement_wanted;
                    // Publish all changes before the lease that covers them.
                    self.node.apply(changes, origins);
                    self.node.set_store_is_intact(true);
                    self.node.lease.extend_from(asked, &self.node.core);
                    self.node.set_polled_at(asked);
                    self.announce(progress, position);
                    return Ok(());
                }
                Poll::Diverged { change, newest } => return Err(self.lose(progress, change, newest).await?),
                // The node fell behind, or this version does not know the answer.
                _ => {
                    self.node.lease.end();
                    let revision = progress.knowledge.position.revision.0;
                    tracing::warn!(
                        revision,
                        "this node fell behind or the store was restored: it loads everything again"
                    );
                    progress.is_loaded = false;
                }
            }
        }
    }

    /// Polls once and judges the answer. Replaces the session if a writer has retired it.
    async fn observe(&self, progress: &mut Progress) -> Result<Poll, StoreError> {
        loop {
            progress.poll = self.polls.fetch_add(1, Ordering::SeqCst) + 1;
            let poll = self.store.poll(progress.session, progress.knowledge.position);
            // Half a lease: after a poll that hangs, there is time for a second poll before the lease ends.
            let observed = within(self.node.core.timing.lease() / 2, poll).await?;
            match progress.knowledge.judge(observed)? {
                Poll::Retired => {
                    self.node.lease.end();
                    self.register_again(progress).await?;
                    tracing::warn!("this node kept silent, and a writer retired it: the node has registered again");
                }
                other => return Ok(other),
            }
        }
    }

    /// Publishes the node's progress to writers in this process, and to other processes if they wait for it.
    fn announce(&self, progress: &mut Progress, position: Position) {
        let applied = Applied { session: progress.session, position, poll: progress.poll };
        self.applied.send_replace(applied);
        if std::mem::take(&mut progress.acknowledgement_due) {
            self.wanted.send_replace(Some(applied));
        }
    }

    /// Ends the lease because the store lost a change. Reports the loss to the store if this node discovered it, and
    /// logs the secrets that are active again.
    async fn lose(
        &self,
        progress: &mut Progress,
        change: Position,
        newest: Position,
    ) -> Result<StoreError, StoreError> {
        self.node.lease.end();
        // This node serves nothing until it has loaded the store's state, so no writer needs to wait for it. Secrets
        // revoked before a restore can be revoked again without delay.
        progress.acknowledgement_due |= self.applied.borrow().position != newest;
        self.announce(progress, newest);
        if self.node.store_is_intact() {
            let error = StoreError::LostChange(change);
            tracing::error!(%error, "this node serves nothing until an operator has accepted the loss");
        }
        self.node.set_store_is_intact(false);
        if change == progress.knowledge.position && progress.reported != Some(change) {
            self.in_time(self.store.report_lost(change)).await?;
            progress.reported = Some(change);
        }
        if progress.reported == Some(change) && progress.told != Some(change) {
            self.log_resurrected().await?;
            progress.told = Some(change);
        }
        Ok(StoreError::LostChange(change))
    }

    /// Writes acknowledgements concurrently with the polls, so that slow writes delay no poll.
    async fn keep_acknowledging(&self) {
        let mut wanted = self.wanted.subscribe();
        loop {
            let newest = *wanted.borrow_and_update();
            if let Some(Applied { session, position, .. }) = newest
                && let Err(error) = self.in_time(self.store.acknowledge(session, position)).await
            {
                self.node.store_failed(&error);
                tracing::debug!(error = describe(&error), "an acknowledgement was not written: it is retried");
                let _ = tokio::time::timeout(RETRY_INTERVAL, wanted.changed()).await;
                continue;
            }
            if wanted.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Says now and then which machine and program this node is. Only people read that.
    async fn keep_describing(&self) {
        let core = &self.node.core;
        let Some((host, program)) = &core.description else { return std::future::pending().await };
        let mut applied = self.applied.subscribe();
        loop {
            let session = applied.borrow_and_update().session;
            let description = NodeDescription::new(host.clone(), program.clone(), core.clock.now());
            if let Err(error) = self.in_time(self.store.describe(session, &description)).await {
                tracing::debug!(error = describe(&error), "this node could not describe itself in the store");
            }
            // A node that had to register again is described at once.
            let _ = tokio::time::timeout(DESCRIBE_INTERVAL, applied.wait_for(|now| now.session != session)).await;
        }
    }

    async fn register_again(&self, progress: &mut Progress) -> Result<(), StoreError> {
        progress.session = register(&self.node.core, &*self.store).await.map_err(|error| match error {
            StartError::Store(error) => error,
            other => StoreError::Unavailable(other.into()),
        })?;
        progress.acknowledgement_due = true;
        Ok(())
    }

    /// Returns the store's answer, or an error if it comes too late to be useful.
    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        within(self.node.core.timing.lease(), answer).await
    }
}

/// Registers a session durably, before its first read.
async fn register(core: &Core, store: &dyn NodeRegistry) -> Result<SessionId, StartError> {
    let id = SessionId::new(core.id_seed()?);
    within(LONGEST_LEASE, store.register(Session { id, lease: core.timing.lease() })).await?;
    Ok(id)
}
