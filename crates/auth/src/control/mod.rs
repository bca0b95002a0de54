//! The control plane: the one room in which a node stays current, and a writer learns that a dead secret is dead.
//!
//! One actor per node owns the session, the poll, the lease, the acknowledgement and the sweep. It has a thread and a runtime
//! of its own, and connections that no request can use ([`Coherence::control`]), so that
//! nothing which a request does can delay a poll. It publishes two values: the [`Lease`], which verifications read, and the
//! revision that is applied, which writers in this process wait for.
//!
//! # The premises of the promise, and the place where each is checked
//!
//! | premise | check |
//! |---|---|
//! | a poll reads the primary of the store that writers write, in a form that this program understands | the poll's own statement reads its provenance, and [`Sourced::proved`](doorward_store::Sourced::proved) is the only way to the facts; [`Knowledge::judge`] calls it |
//! | a load reads the same, and ends before anything is served | each page is a [`Sourced`](doorward_store::Sourced); [`Control::refresh`] begins a load that failed again |
//! | the store has all that it confirmed | [`Knowledge::judge`] compares the operation at the known revision |
//! | a lease is counted from before the poll | [`Control::refresh`] reads the clock before it asks |
//! | a poll is on time | [`host`]: a thread, a runtime and connections of the actor's own; [`Control::in_time`]: a deadline at every step |
//! | only what is applied is acknowledged | [`Control::refresh`] names the revision after [`Node::apply`]; [`Control::keep_acknowledging`] writes it beside the polls, with its operation: a store whose history does not have that passes it over |
//! | a change names its audience | a node registers before its first read; the change's own transaction reads the longest lease that ever registered |
//! | the wait ends | [`effect`]: a timer at W beside everything else that a writer waits for |
//! | an answer follows the wait | [`effect::settle`]: every answer about an operation, first or repeated, waits for that operation's revision |
//! | a node's own word is about this history | [`Hearing`]: only polls that began after the commit count |
//! | writers write the same keys | the prefix is in the store: [`Core::adopt`] at the start, and every change's own transaction |
//!
//! If any of them fails, the lease is not renewed, the log names the premise, and the node answers 503.

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

use doorward_store::{Coherence, Knowledge, LONGEST_LEASE, Poll, Position, Revision, Session, StoreError, StoreId};
use doorward_types::{Incarnation, SessionId};
use tokio::sync::{Mutex, Notify, watch};

use self::deadline::within;
pub(crate) use self::host::{Actor, Host};
use self::janitor::Janitor;
pub(crate) use self::lease::Lease;
use crate::node::{Node, describe};
use crate::{Core, StartError};

/// The longest pause between two tries while the store fails.
const RETRY: Duration = Duration::from_millis(250);

/// The number of tries that a node that starts gives its first poll: a busy machine is slow, and has no lease to lose yet.
const STARTS: u32 = 8;

/// A pause of this node that a lease cannot have survived unnoticed: the machine was suspended.
const SUSPENDED: Duration = Duration::from_millis(500);

/// The actor of one node.
#[derive(Debug)]
pub(crate) struct Control {
    node: Arc<Node>,
    /// The store, over connections that no request can use.
    store: Arc<dyn Coherence>,
    /// The state of the actor. Nobody else locks it while the actor runs.
    progress: Mutex<Progress>,
    /// The number of polls that were begun.
    polls: AtomicU64,
    /// The progress of this node, for writers in this process.
    applied: watch::Sender<Applied>,
    /// The revision that other processes wait for.
    wanted: watch::Sender<Option<Applied>>,
    /// Wakes the actor: a writer in this process has committed.
    nudge: Notify,
    stop: watch::Sender<bool>,
    /// The reason that the newest step failed, for the log.
    failure: PlainMutex<Option<String>>,
}

/// A session, and the newest change that it has applied and published: or that it need not apply, since it serves nothing and
/// loads everything before it serves again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Applied {
    session: SessionId,
    position: Position,
    /// The number of the poll that told of it.
    poll: u64,
}

/// A view of this node's progress, for a writer in this process.
#[derive(Clone, Debug)]
pub(crate) struct Hearing {
    applied: watch::Receiver<Applied>,
    /// The newest poll that was begun before. An older poll may tell of a history that a restore has ended since.
    polls: u64,
}

impl Hearing {
    /// Returns the node's session, if the node has come to this revision in a poll that began after [`Control::hear`].
    pub(crate) fn session_at(&mut self, revision: Revision) -> Option<SessionId> {
        let newest = *self.applied.borrow_and_update();
        (newest.poll > self.polls && newest.position.revision >= revision).then_some(newest.session)
    }

    /// Waits until the node comes on.
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
    /// True if the node has applied all that `knowledge` speaks of. A load that failed knows of more than it brought.
    is_loaded: bool,
    /// The number of the newest poll.
    poll: u64,
    /// Whether a writer may be waiting for word from this session, whatever the next poll says.
    acknowledgement_due: bool,
    /// The change that this node knew, and told the store that it has lost.
    reported: Option<Position>,
    /// The lost change of which the log has told the secrets that live again.
    told: Option<Position>,
}

impl Control {
    /// Registers a session, loads every live secret and polls once. The caller then runs [`Control::run`].
    ///
    /// # Errors
    ///
    /// [`StartError`], if the store cannot be read, is not to be relied on, or holds keys of another prefix.
    pub(crate) async fn start(node: Arc<Node>) -> Result<Self, StartError> {
        let core = node.core().clone();
        let store = core.store.control().unwrap_or_else(|| Arc::clone(&core.store) as Arc<dyn Coherence>);
        let session = register(&core, &*store).await?;
        let (incarnation, position) = (Incarnation::FIRST, Position::default());
        let knowledge = Knowledge { store: node.store_id(), incarnation, position };
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
            // The session verified nothing yet: no writer need wait for it.
            let session = control.progress.lock().await.session;
            let _ = control.in_time(control.store.remove(&[session])).await;
            return Err(error.into());
        }
        Ok(control)
    }

    async fn begin(&self) -> Result<(), StoreError> {
        let mut progress = self.progress.lock().await;
        self.load(&mut progress).await?;
        let mut tries = 1..STARTS;
        loop {
            match self.refresh(&mut progress).await {
                Err(StoreError::Unavailable(_)) if tries.next().is_some() => tokio::time::sleep(RETRY).await,
                other => return other,
            }
        }
    }

    pub(crate) const fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// The store, over connections that no request can use.
    pub(crate) const fn store(&self) -> &Arc<dyn Coherence> {
        &self.store
    }

    /// The store that this node started on.
    pub(crate) fn store_id(&self) -> StoreId {
        self.node.store_id()
    }

    /// The session of this node at the moment.
    pub(crate) fn session(&self) -> SessionId {
        self.applied.borrow().session
    }

    /// Tells the actor that this process has committed a change, and returns a view of how far the node comes from here on.
    pub(crate) fn hear(&self) -> Hearing {
        let hearing = Hearing { applied: self.applied.subscribe(), polls: self.polls.load(Ordering::SeqCst) };
        self.nudge.notify_one();
        hearing
    }

    /// Runs until [`Control::stop`]: polls, acknowledges, sweeps and watches the lease, none behind another.
    pub(crate) async fn run(&self) {
        let mut stop = self.stop.subscribe();
        tokio::select! {
            biased;
            () = self.keep_polling() => {}
            () = self.keep_acknowledging() => {}
            () = Janitor::new().keep_sweeping(self.node.core(), &*self.store) => {}
            () = lease_log::keep(&self.node, &self.failure) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    /// Makes a fresh start after a panic: with another session, and everything loaded again.
    pub(crate) async fn recover(&self) -> Result<(), StoreError> {
        self.node.lease().end();
        let mut progress = self.progress.lock().await;
        let before = progress.session;
        self.register_again(&mut progress).await?;
        let _ = self.in_time(self.store.remove(&[before])).await;
        self.load(&mut progress).await
    }

    /// Whether the actor was told to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Tells the actor to stop.
    pub(crate) fn begin_to_stop(&self) {
        self.stop.send_replace(true);
    }

    /// Ends the lease and takes the session out of the store, so that no writer waits for it. The actor must have ended.
    pub(crate) async fn leave(&self) {
        self.node.lease().end();
        let session = self.progress.lock().await.session;
        if let Err(error) = self.in_time(self.store.remove(&[session])).await {
            let error = describe(&error);
            tracing::warn!(error, "this node's session stays in the store until a writer removes it");
        }
    }

    async fn keep_polling(&self) {
        let (core, interval) = (self.node.core(), self.store.poll_interval());
        loop {
            let before = (core.clock.tick(), core.clock.reading());
            let failure = self.refresh(&mut *self.progress.lock().await).await.err();
            self.note(failure.as_ref());
            let pause = if failure.is_some() { RETRY } else { interval };
            // Until then, or until the engine or a writer in this process tells of a change.
            tokio::select! {
                biased;
                () = tokio::time::sleep(pause) => {}
                () = self.store.hint() => {}
                () = self.nudge.notified() => {}
            }
            // The hot clock stops in suspend: its word on the lease is then worth nothing until the next poll.
            let (tick, reading) = (core.clock.tick(), core.clock.reading());
            if reading.longest_since(before.1) > tick.since(before.0) + SUSPENDED {
                self.node.lease().end();
                tracing::warn!("this machine was suspended; the node serves again after its next poll");
            }
        }
    }

    fn note(&self, failure: Option<&StoreError>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure.map(|error| describe(error));
    }

    /// Polls once: applies and publishes all that happened, and extends the lease.
    async fn refresh(&self, progress: &mut Progress) -> Result<(), StoreError> {
        loop {
            if !progress.is_loaded {
                self.load(progress).await?;
            }
            // Before anything is sent: a lease counted from the answer would speak for a time that nobody looked at.
            let asked = self.node.core().clock.tick();
            match self.observe(progress).await? {
                Poll::Current { position, changes, origins, acknowledgement_wanted } => {
                    progress.knowledge.position = position;
                    progress.acknowledgement_due |= acknowledgement_wanted;
                    // Everything that was read is published before the lease that speaks for it.
                    self.node.apply(changes, origins);
                    self.node.set_store_is_whole(true);
                    self.node.lease().extend_from(asked, self.node.core());
                    self.announce(progress, position);
                    return Ok(());
                }
                Poll::Lost { change, newest } => return Err(self.lose(progress, change, newest).await?),
                // Behind, or an answer that this version does not know.
                _ => {
                    self.node.lease().end();
                    let revision = progress.knowledge.position.revision.0;
                    tracing::warn!(revision, "this node fell behind or the store was restored: it loads everything");
                    progress.is_loaded = false;
                }
            }
        }
    }

    /// Polls once and judges the answer. A session that a writer gave up on is replaced on the way.
    async fn observe(&self, progress: &mut Progress) -> Result<Poll, StoreError> {
        loop {
            progress.poll = self.polls.fetch_add(1, Ordering::SeqCst) + 1;
            let poll = self.store.poll(progress.session, progress.knowledge.position);
            // Half a lease: after a poll that hangs there is time for another one before the lease ends.
            let observed = within(self.node.core().timing.lease() / 2, poll).await?;
            match progress.knowledge.judge(observed)? {
                Poll::Retired => {
                    self.node.lease().end();
                    self.register_again(progress).await?;
                    tracing::warn!("a writer gave up on this node, which kept silent; the node has registered again");
                }
                other => return Ok(other),
            }
        }
    }

    /// Publishes how far the node has come: to writers in this process, and to others if they wait for word.
    fn announce(&self, progress: &mut Progress, position: Position) {
        let applied = Applied { session: progress.session, position, poll: progress.poll };
        self.applied.send_replace(applied);
        if std::mem::take(&mut progress.acknowledgement_due) {
            self.wanted.send_replace(Some(applied));
        }
    }

    /// Ends the lease over a change that the store has lost. Tells the store of it if it is this node's own discovery, and
    /// the log which secrets live again.
    async fn lose(
        &self,
        progress: &mut Progress,
        change: Position,
        newest: Position,
    ) -> Result<StoreError, StoreError> {
        self.node.lease().end();
        // This node serves nothing until it has loaded what the store then holds: no writer need wait for it, and what died
        // before a restore dies again without delay.
        progress.acknowledgement_due |= self.applied.borrow().position != newest;
        self.announce(progress, newest);
        if self.node.store_is_whole() {
            let error = StoreError::LostChange(change);
            tracing::error!(%error, "this node serves nothing until an operator has answered for the loss");
        }
        self.node.set_store_is_whole(false);
        if change == progress.knowledge.position && progress.reported != Some(change) {
            self.in_time(self.store.report_lost(change)).await?;
            progress.reported = Some(change);
        }
        if progress.reported == Some(change) && progress.told != Some(change) {
            self.tell_what_lives_again().await?;
            progress.told = Some(change);
        }
        Ok(StoreError::LostChange(change))
    }

    /// Writes acknowledgements beside the polls, so that a store that is slow to write delays no poll.
    async fn keep_acknowledging(&self) {
        let mut wanted = self.wanted.subscribe();
        loop {
            let newest = *wanted.borrow_and_update();
            if let Some(Applied { session, position, .. }) = newest
                && let Err(error) = self.in_time(self.store.acknowledge(session, position)).await
            {
                tracing::debug!(error = describe(&error), "an acknowledgement was not written; it is tried again");
                let _ = tokio::time::timeout(RETRY, wanted.changed()).await;
                continue;
            }
            if wanted.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    async fn register_again(&self, progress: &mut Progress) -> Result<(), StoreError> {
        progress.session = register(self.node.core(), &*self.store).await.map_err(|error| match error {
            StartError::Store(error) => error,
            other => StoreError::Unavailable(other.into()),
        })?;
        progress.acknowledgement_due = true;
        Ok(())
    }

    /// The store's answer, if it comes within the time that it could be of use.
    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        within(self.node.core().timing.lease(), answer).await
    }
}

/// Registers a session, durably, before its first read.
async fn register(core: &Core, store: &dyn Coherence) -> Result<SessionId, StartError> {
    let id = SessionId::new(core.id_seed()?);
    within(LONGEST_LEASE, store.register(Session { id, lease: core.timing.lease() })).await?;
    Ok(id)
}
