use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use doorward_audit::Event;
use doorward_store::{Outbox, Shipment, SinkState, StoreError};
use doorward_types::{Causes, Foreign, Name, SessionId};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::{Sink, SinkError};

/// How often a shipper looks for new events.
const LOOK: Duration = Duration::from_millis(500);

/// Events read at a time.
const PAGE: u32 = 1_000;

/// How often the store hears how far a busy shipper has come: after a crash, what it shipped since comes again.
const NOTE: Duration = Duration::from_secs(1);

/// How often a shipper that waits for its sink says that it lives.
const BEAT: Duration = Duration::from_secs(5);

/// After how long without a word, with events to ship, a shipper is thought dead: longer than any delivery may take.
const SILENCE: Duration = Duration::from_secs(15);

/// The most that the time between two looks counts for: a looker that stood still itself has seen nothing meanwhile.
const MOST_OF_A_LOOK: Duration = Duration::from_secs(1);

/// The pauses between attempts: they double, and a receiver may ask for longer ones, up to the second.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_ASKED_FOR: Duration = Duration::from_secs(600);

/// Ships the events of all logs to one sink, for as long as it runs.
#[derive(Debug)]
pub struct Shipper {
    outbox: Arc<dyn Outbox>,
    name: Name,
    holder: SessionId,
    sink: Box<dyn Sink>,
    /// Up to where everything has arrived, while this one holds the sink.
    position: Option<u64>,
    noted: Instant,
}

/// Why a shipper stops shipping for now.
enum Interruption {
    /// Another one ships.
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
    /// A shipper for the sink of this name. The holder is to be this run's own: fresh at each start.
    #[must_use]
    pub fn new(outbox: Arc<dyn Outbox>, name: Name, holder: SessionId, sink: Box<dyn Sink>) -> Self {
        Self { outbox, name, holder, sink, position: None, noted: Instant::now() }
    }

    /// Ships until it is told to stop, and then says how far it came.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = self.ship() => {}
        }
        if let Some(position) = self.position {
            let noted = self.outbox.advance_sink(&self.name, self.holder, position).await;
            if let Err(error) = noted.and(self.outbox.release_sink(&self.name, self.holder).await.map(|()| true)) {
                tracing::warn!(sink = %self.name, error = &error as &dyn std::error::Error, "could not note how far it came");
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
            sleep(PAUSE).await;
        }
    }

    async fn ship_while_held(&mut self, failing: &mut bool) -> Result<Infallible, Interruption> {
        self.take().await?;
        loop {
            let page = self.outbox.events_after(self.position.unwrap_or_default(), PAGE).await?;
            *failing = false;
            if page.is_empty() {
                sleep(LOOK).await;
                continue;
            }
            for shipments in page.chunks(self.sink.batch().max(1)) {
                self.deliver(shipments).await?;
                self.position = shipments.last().map(|shipment| shipment.position);
                if self.noted.elapsed() >= NOTE {
                    self.note().await?;
                }
            }
            self.note().await?;
        }
    }

    /// Waits until the sink is this one's.
    async fn take(&mut self) -> Result<(), StoreError> {
        let mut silence = Silence::default();
        loop {
            let state = self.outbox.sinks().await?.into_iter().find(|state| state.name == self.name);
            let is_free = match &state {
                None => true,
                Some(state) if state.holder.is_none_or(|holder| holder == self.holder) => true,
                Some(state) => silence.looked(state, Instant::now()) >= SILENCE,
            };
            let beat = state.as_ref().map(|state| state.beat);
            if is_free && self.outbox.take_sink(&self.name, beat, self.holder).await? {
                self.position = Some(state.map_or(0, |state| state.position));
                self.noted = Instant::now();
                tracing::info!(sink = %self.name, position = self.position, "this node ships audit events");
                return Ok(());
            }
            sleep(LOOK).await;
        }
    }

    /// Tells the store how far it came, and that it lives.
    async fn note(&mut self) -> Result<(), Interruption> {
        self.noted = Instant::now();
        let position = self.position.unwrap_or_default();
        match self.outbox.advance_sink(&self.name, self.holder, position).await? {
            true => Ok(()),
            false => Err(Interruption::Lost),
        }
    }

    /// Hands events over until they have arrived.
    async fn deliver(&mut self, shipments: &[Shipment]) -> Result<(), Interruption> {
        let readable = |shipment: &Shipment| match &shipment.event {
            Ok(event) => Some(event.clone()),
            Err(fault) => {
                tracing::error!(sink = %self.name, %fault, "an event is not shipped; `doorward audit verify` tells more");
                None
            }
        };
        let events: Vec<Event> = shipments.iter().filter_map(readable).collect();
        let mut pause = PAUSE;
        let mut failed = false;
        while let Err(error) = self.sink.deliver(&events).await {
            if !failed {
                failed = true;
                tracing::warn!(sink = %self.name, error = %Foreign::new(Causes(&error)), "events do not arrive; trying on");
            }
            let asked_for = match error {
                SinkError::Refused { retry_after: Some(asked_for), .. } => asked_for.min(LONGEST_ASKED_FOR),
                _ => Duration::ZERO,
            };
            self.pause(pause.max(asked_for)).await?;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        if failed {
            tracing::info!(sink = %self.name, "events arrive again");
        }
        Ok(())
    }

    async fn pause(&mut self, pause: Duration) -> Result<(), Interruption> {
        let until = Instant::now() + pause;
        while Instant::now() < until {
            self.note().await?;
            sleep(BEAT.min(until - Instant::now())).await;
        }
        Ok(())
    }
}

/// For how long a holder has said nothing, although there was something to ship. An idle holder has nothing to say.
#[derive(Debug, Default)]
struct Silence {
    /// The beat that stands still, and when that was looked at last.
    seen: Option<(u64, Instant)>,
    lasts: Duration,
}

impl Silence {
    /// Takes in a look at the sink; returns how long the silence lasts.
    fn looked(&mut self, state: &SinkState, now: Instant) -> Duration {
        match self.seen {
            Some((beat, last)) if beat == state.beat && state.behind > 0 => {
                self.lasts += (now - last).min(MOST_OF_A_LOOK);
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
