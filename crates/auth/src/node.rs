//! The node's side of the coherence protocol.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use doorward_origin::{AllowList, AllowedOrigin};
use doorward_store::{LONGEST_LEASE, OriginsChange, Poll, Position, Revision, Session, StoreError};
use doorward_types::{Locator, OrganizationId, SessionId, Tick};
use tokio::sync::Mutex;

use crate::dead::Dead;
use crate::index::Index;
use crate::{Core, StartError, Timing};

/// How many secrets are read at a time on loading: a few megabytes.
const PAGE: u32 = 10_000;

/// The longest pause between two tries while the store fails.
const RETRY: Duration = Duration::from_millis(250);

/// How often uses that were counted in memory are written to the store: what a crash may lose of them.
const FLUSH: Duration = Duration::from_secs(5);

/// How many locators one line of the log names.
const NAMED: usize = 100;

/// A pause of this node that a lease cannot have survived unnoticed: the machine was suspended.
const SUSPENDED: Duration = Duration::from_millis(500);

/// What a node knows, and until when it may say so.
#[derive(Debug)]
pub(crate) struct Node {
    core: Core,
    index: Index,
    dead: Dead,
    origins: RwLock<HashMap<OrganizationId, Arc<AllowList>>>,
    /// The end of the lease, in nanoseconds of [`doorward_types::Clock::tick`]. Zero: none.
    lease: AtomicU64,
    stopped: AtomicBool,
    /// Whether the store was last seen to have lost what it had confirmed.
    lost: AtomicBool,
    progress: Mutex<Progress>,
}

/// How far the node has come. Whoever holds it is the only one to poll.
#[derive(Debug)]
struct Progress {
    session: SessionId,
    position: Position,
    /// Whether a writer may be waiting for word from this session.
    acknowledgement_due: bool,
    /// The change that this node knew, and told the store that it has lost.
    reported: Option<Position>,
}

impl Node {
    pub(crate) async fn start(core: &Core) -> Result<Self, StartError> {
        let mut seed = [0; 8];
        core.random.fill(&mut seed)?;
        let session = register(core).await?;
        let index = Index::new(u64::from_ne_bytes(seed));
        let progress = Progress { session, position: Position::default(), acknowledgement_due: true, reported: None };
        let node = Self {
            core: core.clone(),
            index,
            dead: Dead::default(),
            origins: RwLock::default(),
            lease: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            progress: Mutex::new(progress),
        };
        if let Err(error) = node.begin().await {
            // It verified nothing yet: no writer need wait for it.
            let _ = core.store.remove(&[session]).await;
            return Err(error.into());
        }
        Ok(node)
    }

    async fn begin(&self) -> Result<(), StoreError> {
        self.load(&mut *self.progress.lock().await).await?;
        self.refresh().await.map(drop)
    }

    pub(crate) const fn core(&self) -> &Core {
        &self.core
    }

    pub(crate) const fn index(&self) -> &Index {
        &self.index
    }

    pub(crate) const fn dead(&self) -> &Dead {
        &self.dead
    }

    /// The end of the lease. To be taken *before* the lookup that it vouches for.
    pub(crate) fn lease(&self) -> Tick {
        Tick::from_nanos(self.lease.load(Ordering::Acquire))
    }

    /// What time it is, where the lease has not run out. To be asked *after* the lookup, since it reads the clock.
    pub(crate) fn now_within(&self, lease: Tick) -> Option<Tick> {
        let now = self.core.clock.tick();
        (now < lease).then_some(now)
    }

    /// Whether the store has all that it ever confirmed, as far as this node knows. Without it, not even a read at the store
    /// says who may come in.
    pub(crate) fn store_is_whole(&self) -> bool {
        !self.lost.load(Ordering::Acquire)
    }

    /// This node's session at the moment.
    pub(crate) async fn session(&self) -> SessionId {
        self.progress.lock().await.session
    }

    /// Polls once: applies and publishes all that happened, extends the lease, and acknowledges where someone waits.
    /// Returns the session and how far it has come.
    pub(crate) async fn refresh(&self) -> Result<(SessionId, Revision), StoreError> {
        let mut progress = self.progress.lock().await;
        loop {
            if self.stopped.load(Ordering::Acquire) {
                return Err(StoreError::Unavailable("this node was stopped".into()));
            }
            // Before anything is sent: a lease counted from the answer would speak for a time that no one looked at.
            let asked = self.core.clock.tick();
            match self.in_time(self.core.store.poll(progress.session, progress.position)).await? {
                Poll::Current { position, changes, origins, acknowledgement_wanted } => {
                    for change in changes {
                        match change.live {
                            Some(live) => self.index.insert(live),
                            None => self.bury(&change.locator),
                        }
                    }
                    for OriginsChange { organization, entries } in origins {
                        let list = entries.into_iter().map(|entry| entry.origin).collect();
                        self.with_origins(|origins| origins.insert(organization, Arc::new(list)));
                    }
                    progress.position = position;
                    self.lost.store(false, Ordering::Release);
                    progress.acknowledgement_due |= acknowledgement_wanted;
                    // What was read is published before the lease that speaks for it. The hot clock may lag.
                    let length = self.core.timing.lease().saturating_sub(self.core.clock.tick_lag());
                    self.lease.store((asked + length).as_nanos(), Ordering::Release);
                    // Only what is applied and published is acknowledged.
                    if progress.acknowledgement_due {
                        self.in_time(self.core.store.acknowledge(progress.session, position.revision)).await?;
                        progress.acknowledgement_due = false;
                    }
                    return Ok((progress.session, position.revision));
                }
                Poll::Retired => {
                    self.lease.store(0, Ordering::Release);
                    let anew = async {
                        register(&self.core).await.map_err(|error| match error {
                            StartError::Store(error) => error,
                            StartError::Random(error) => StoreError::Unavailable(error.into()),
                        })
                    };
                    progress.session = self.in_time(anew).await?;
                    progress.acknowledgement_due = true;
                    tracing::warn!("a writer gave up on this node, which kept silent; it has registered anew");
                }
                Poll::Lost(change) => {
                    self.lease.store(0, Ordering::Release);
                    self.lost.store(true, Ordering::Release);
                    if change == progress.position && progress.reported != Some(change) {
                        self.in_time(self.core.store.report_lost(change)).await?;
                        progress.reported = Some(change);
                    }
                    return Err(StoreError::LostChange(change));
                }
                // Behind, or an answer that this version does not know.
                _ => {
                    self.lease.store(0, Ordering::Release);
                    tracing::warn!(
                        revision = progress.position.revision.0,
                        "this node fell behind, and loads everything"
                    );
                    self.load(&mut progress).await?;
                }
            }
        }
    }

    /// The origins that callbacks of an organization may go to.
    pub(crate) fn allow_list(&self, organization: OrganizationId) -> Arc<AllowList> {
        let origins = self.origins.read().unwrap_or_else(PoisonError::into_inner);
        origins.get(&organization).cloned().unwrap_or_default()
    }

    fn with_origins<T>(&self, write: impl FnOnce(&mut HashMap<OrganizationId, Arc<AllowList>>) -> T) -> T {
        write(&mut self.origins.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn bury(&self, locator: &Locator) {
        if let Some(identity) = self.index.identity(locator) {
            self.dead.remember(identity.live.clone(), self.core.clock.now());
        }
        self.index.remove(locator);
    }

    /// The store's answer, where it comes within the time that it could be of use.
    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let silent = |_| Err(StoreError::Unavailable("the store does not answer".into()));
        tokio::time::timeout(self.core.timing.lease(), answer).await.unwrap_or_else(silent)
    }

    /// Loads everything, page by page, from a revision that is taken first. What changes meanwhile, the next poll finds.
    async fn load(&self, progress: &mut Progress) -> Result<(), StoreError> {
        let store = &self.core.store;
        let position = self.in_time(store.position()).await?;
        let mut draft = self.index.draft();
        let mut page = self.in_time(store.live_secrets(None, PAGE)).await?;
        while let Some(last) = page.last().cloned() {
            // The store reads the next page meanwhile.
            let add = async { page.into_iter().for_each(|live| draft.insert(live)) };
            let (next, ()) = tokio::join!(self.in_time(store.live_secrets(Some(&last), PAGE)), add);
            page = next?;
        }
        let origins = self.load_origins().await?;
        self.index.become_like(draft);
        self.with_origins(|known| *known = origins);
        progress.position = position;
        Ok(())
    }

    async fn load_origins(&self) -> Result<HashMap<OrganizationId, Arc<AllowList>>, StoreError> {
        let mut lists: HashMap<OrganizationId, Vec<AllowedOrigin>> = HashMap::new();
        let mut page = self.in_time(self.core.store.live_origins(None, PAGE)).await?;
        while let Some(last) = page.last().cloned() {
            for entry in page {
                lists.entry(entry.organization).or_default().push(entry.origin);
            }
            page = self.in_time(self.core.store.live_origins(Some(&last), PAGE)).await?;
        }
        Ok(lists.into_iter().map(|(organization, list)| (organization, Arc::new(list.into_iter().collect()))).collect())
    }

    /// Says which secrets the store holds to be alive though this node knew them to be dead: what an operator has to
    /// regenerate before anyone serves again.
    async fn tell_what_lives_again(&self) -> Result<(), StoreError> {
        let mut revived = Vec::new();
        let mut page = self.in_time(self.core.store.live_secrets(None, PAGE)).await?;
        while let Some(last) = page.last() {
            let unknown = page.iter().map(|live| live.secret.locator).filter(|one| self.index.identity(one).is_none());
            revived.extend(unknown);
            page = self.in_time(self.core.store.live_secrets(Some(last), PAGE)).await?;
        }
        let (count, locators) = (revived.len(), revived.get(..NAMED).unwrap_or(&revived));
        tracing::error!(
            count,
            ?locators,
            "dead in this node's memory, alive in the store: regenerate or delete these keys"
        );
        Ok(())
    }

    /// Writes the uses that were counted in memory to the store. What cannot be written now is counted again.
    pub(crate) async fn flush_uses(&self) {
        let uses = self.index.take_uses();
        if let Err(error) = self.core.store.add_uses(&uses, self.core.clock.now()).await {
            tracing::warn!(error = describe(&error), "uses of the last seconds could not be written, and are kept");
            self.index.give_back(&uses);
        }
    }

    /// Flushes for ever, apart from the polls, which nothing may hold up.
    pub(crate) async fn keep_count(self: Arc<Self>) {
        loop {
            tokio::time::sleep(FLUSH).await;
            self.flush_uses().await;
        }
    }

    /// Polls for ever.
    pub(crate) async fn stay_current(self: Arc<Self>) {
        let interval = self.core.store.poll_interval();
        let mut janitor = Janitor::new();
        let mut was_current = true;
        let mut told = None;
        while !self.stopped.load(Ordering::Acquire) {
            let before = (self.core.clock.tick(), self.core.clock.reading());
            let failure = self.refresh().await.err();
            if self.now_within(self.lease()).is_some() != was_current {
                was_current = !was_current;
                if was_current {
                    tracing::info!("this node is current again");
                } else {
                    let reason = failure.as_ref().map_or_else(|| "it was late".to_owned(), |error| describe(error));
                    tracing::warn!(reason, "this node cannot prove that it is current, and answers 503");
                }
            }
            if let Some(StoreError::LostChange(change)) = failure
                && told != Some(change)
                && self.progress.lock().await.reported == Some(change)
                && self.tell_what_lives_again().await.is_ok()
            {
                told = Some(change);
            }
            janitor.sweep(&self.core).await;
            let pause = if failure.is_some() { RETRY } else { interval };
            // Until then, or until the engine hears of a change.
            let _ = tokio::time::timeout(pause, self.core.store.hint()).await;
            // The hot clock stops in suspend: what it says of the lease is then worth nothing until the next poll.
            let (tick, reading) = (self.core.clock.tick(), self.core.clock.reading());
            if reading.longest_since(before.1) > tick.since(before.0) + SUSPENDED {
                self.lease.store(0, Ordering::Release);
                tracing::warn!("this machine was suspended; the node serves again after its next poll");
            }
        }
    }

    /// Stops verifying, then takes the session out of the store.
    pub(crate) async fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        // A poll that is under way may still extend the lease; it ends before this lock is had.
        let progress = self.progress.lock().await;
        self.lease.store(0, Ordering::Release);
        self.flush_uses().await;
        if let Err(error) = self.core.store.remove(&[progress.session]).await {
            tracing::warn!(
                error = describe(&error),
                "this node's session stays in the store until a writer removes it"
            );
        }
    }
}

/// Registers a session, durably, before its first read.
async fn register(core: &Core) -> Result<SessionId, StartError> {
    let id = SessionId::new(core.id_seed()?);
    core.store.register(Session { id, lease: core.timing.lease() }).await?;
    Ok(id)
}

/// An error with its causes, for the operator's log.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Removes the sessions of nodes that died, once they were seen retired for as long as any lease can last: from then
/// on, no writer waits for them.
#[derive(Debug)]
struct Janitor {
    retired: Vec<SessionId>,
    next: Option<doorward_types::Reading>,
}

impl Janitor {
    const fn new() -> Self {
        Self { retired: Vec::new(), next: None }
    }

    async fn sweep(&mut self, core: &Core) {
        let now = core.clock.reading();
        let pause = Timing::writer_wait(LONGEST_LEASE);
        if self.next.is_some_and(|last| now.shortest_since(last) < pause) {
            return;
        }
        let Ok(sessions) = core.store.sessions().await else { return };
        let retired = |id: &SessionId| sessions.iter().any(|status| status.session.id == *id && status.retired);
        self.retired.retain(retired);
        if !self.retired.is_empty() && core.store.remove(&self.retired).await.is_ok() {
            self.retired.clear();
        }
        self.retired = sessions.iter().filter(|status| status.retired).map(|status| status.session.id).collect();
        self.next = Some(core.clock.reading());
    }
}
