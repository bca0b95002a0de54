use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use doorward_audit::Event;
use doorward_key::{Random, RandomError, SystemRandom};
use doorward_store::{Outbox, OutboxEntry, SinkState, StoreError};
use doorward_types::{Causes, Clock, Foreign, IdSeed, Name, SessionId, SystemClock};
use tokio::time::{Instant, sleep};

use crate::backoff::{Backoff, MIN_BACKOFF};
use crate::{BoxSink, Sink};

/// The interval at which a shipper looks for new events.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The number of events read at a time.
const EVENTS_PER_PAGE: u32 = 1_000;

/// The interval at which a busy shipper stores its progress. After a crash, the events since then are shipped again.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);

/// The interval of the heartbeat of a shipper that waits for its sink.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);

/// A shipper that is silent for this long, while events wait, counts as dead: longer than any delivery may take.
const TAKEOVER_DELAY: Duration = Duration::from_secs(15);

/// The maximum time that counts between two looks: an observer that stood still has seen nothing in between.
const MAX_PASS: Duration = Duration::from_secs(1);

/// Ships the events of all logs to one sink while it runs.
#[derive(Debug)]
pub struct Shipper {
    outbox: Arc<dyn Outbox>,
    name: Name,
    holder: SessionId,
    sink: BoxSink,
    /// The position of the last arrived event, while this shipper holds the sink.
    position: Option<u64>,
    noted: Instant,
}

/// The reason why a shipper stops for now.
enum Interruption {
    /// Another node ships.
    Lost,
    /// The store failed.
    Store(StoreError),
}

impl From<StoreError> for Interruption {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Shipper {
    /// Creates a shipper for the sink of this name, with the events of this store.
    ///
    /// # Errors
    ///
    /// Fails if the operating system gives no randomness for the id of this run.
    pub fn new(outbox: Arc<dyn Outbox>, name: Name, sink: impl Sink + 'static) -> Result<Self, RandomError> {
        let mut random = [0; 10];
        SystemRandom.fill(&mut random)?;
        let holder = SessionId::new(IdSeed::new(SystemClock.now(), random));
        Ok(Self { outbox, name, holder, sink: BoxSink::new(sink), position: None, noted: Instant::now() })
    }

    /// Ships until `stop` resolves, and then stores its progress.
    pub async fn run(mut self, stop: impl Future<Output = ()> + Send) {
        tokio::select! {
            () = stop => {}
            () = self.ship() => {}
        }
        if let Some(position) = self.position {
            let noted = self.outbox.commit_sink(&self.name, self.holder, position).await;
            if let Err(error) = noted.and(self.outbox.release_sink(&self.name, self.holder).await.map(|()| true)) {
                tracing::warn!(sink = %self.name, error = &error as &dyn std::error::Error, "the sink's progress cannot be stored");
            }
        }
    }

    async fn ship(&mut self) {
        let mut failing = false;
        loop {
            let Err(interruption) = self.ship_while_held(&mut failing).await;
            match interruption {
                Interruption::Lost => tracing::warn!(sink = %self.name, "another node ships to this sink now"),
                Interruption::Store(error) if !failing => {
                    failing = true;
                    tracing::warn!(sink = %self.name, error = &error as &dyn std::error::Error, "events cannot be read");
                }
                Interruption::Store(_) => {}
            }
            self.position = None;
            sleep(MIN_BACKOFF).await;
        }
    }

    async fn ship_while_held(&mut self, failing: &mut bool) -> Result<Infallible, Interruption> {
        self.take().await?;
        loop {
            let page = self.outbox.events_after(self.position.unwrap_or_default(), EVENTS_PER_PAGE).await?;
            *failing = false;
            if page.is_empty() {
                sleep(POLL_INTERVAL).await;
                continue;
            }
            for shipments in page.chunks(self.sink.batch().max(1)) {
                self.deliver(shipments).await?;
                self.position = shipments.last().map(|shipment| shipment.position);
                if self.noted.elapsed() >= COMMIT_INTERVAL {
                    self.note().await?;
                }
            }
            self.note().await?;
        }
    }

    /// Waits until this shipper holds the sink.
    async fn take(&mut self) -> Result<(), StoreError> {
        let mut silence = Silence::default();
        loop {
            let state = self.outbox.sinks().await?.into_iter().find(|state| state.name == self.name);
            let is_free = match &state {
                None => true,
                Some(state) if state.holder.is_none_or(|holder| holder == self.holder) => true,
                Some(state) => silence.looked(state, Instant::now()) >= TAKEOVER_DELAY,
            };
            let beat = state.as_ref().map(|state| state.beat);
            if is_free && self.outbox.acquire_sink(&self.name, beat, self.holder).await? {
                self.position = Some(state.map_or(0, |state| state.position));
                self.noted = Instant::now();
                tracing::info!(sink = %self.name, position = self.position, "this node ships audit events");
                return Ok(());
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Stores the progress and the heartbeat.
    async fn note(&mut self) -> Result<(), Interruption> {
        self.noted = Instant::now();
        let position = self.position.unwrap_or_default();
        match self.outbox.commit_sink(&self.name, self.holder, position).await? {
            true => Ok(()),
            false => Err(Interruption::Lost),
        }
    }

    /// Delivers events until they have arrived.
    async fn deliver(&mut self, shipments: &[OutboxEntry]) -> Result<(), Interruption> {
        let readable = |shipment: &OutboxEntry| match &shipment.event {
            Ok(event) => Some(event.clone()),
            Err(fault) => {
                tracing::error!(sink = %self.name, %fault, "an event is not shipped; for details, run `doorward audit verify`");
                None
            }
        };
        let events: Vec<Event> = shipments.iter().filter_map(readable).collect();
        let mut backoff = Backoff::default();
        while let Err(error) = self.sink.deliver(&events).await {
            if !backoff.has_failed() {
                tracing::warn!(sink = %self.name, error = %Foreign::new(Causes(&error)), "events do not arrive; retrying");
            }
            self.pause(backoff.after(&error)).await?;
        }
        if backoff.has_failed() {
            tracing::info!(sink = %self.name, "events arrive again");
        }
        Ok(())
    }

    async fn pause(&mut self, pause: Duration) -> Result<(), Interruption> {
        let until = Instant::now() + pause;
        while Instant::now() < until {
            self.note().await?;
            sleep(HEARTBEAT_INTERVAL.min(until - Instant::now())).await;
        }
        Ok(())
    }
}

/// Measures how long a holder has been silent while events waited. An idle holder is not silent.
#[derive(Debug, Default)]
struct Silence {
    /// The unchanged heartbeat, and the time of the last look at it.
    seen: Option<(u64, Instant)>,
    lasts: Duration,
}

impl Silence {
    /// Records a look at the sink. Returns the length of the silence.
    fn looked(&mut self, state: &SinkState, now: Instant) -> Duration {
        match self.seen {
            Some((beat, last)) if beat == state.beat && state.behind > 0 => {
                self.lasts += (now - last).min(MAX_PASS);
                self.seen = Some((beat, now));
            }
            _ => {
                self.lasts = Duration::ZERO;
                self.seen = (state.behind > 0).then_some((state.beat, now));
            }
        }
        self.lasts
    }
}
