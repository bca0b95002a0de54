//! A network between machines and their store. It delays and loses calls and answers, queues, hangs, and routes calls to other
//! stores.

use std::any::Any;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use doorward_auth::LeaseConfig;
use doorward_store::{
    ActiveSecret, Observation, Operation, Position, Provenance, Revision, SessionStatus, Sourced, StoreError, StoreId,
};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{LEASE, Lie};
use crate::support::store::{Call, Label, Way, Work, relabel};

/// xorshift64*: the same seed gives the same sequence.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound
    }
}

/// One machine's connection to the shared store.
#[derive(Debug)]
pub(crate) struct Network {
    weather: Arc<Mutex<Weather>>,
    /// True for the control plane's connection, which carries no requests and never waits for them.
    is_control: bool,
    lie: Option<Lie>,
    /// The time by which a requester must have its answer.
    due: watch::Sender<Option<Instant>>,
}

#[derive(Debug)]
struct Weather {
    dice: Dice,
    /// The number of failing calls in a hundred.
    faults: u64,
    calm: bool,
    cut_off_until: Option<Instant>,
    /// Earlier requests occupy all request connections until then.
    busy_until: Option<Instant>,
    /// Answers take up to half a lease until then, as long as a poll may take.
    slow_until: Option<Instant>,
    /// Calls of this kind that begin before then are never answered.
    hung: Option<(Call, Instant)>,
    astray: Option<Astray>,
    /// The pages of a load come from a standby until then.
    pages_astray_until: Option<Instant>,
    /// The secrets of the newest load from the primary, which the standby has.
    page: Vec<ActiveSecret>,
}

/// A pooler that routes polls to a standby, or a moved file that routes them to a copy. Neither makes progress.
#[derive(Debug)]
struct Astray {
    until: Instant,
    label: Label,
    seen: Option<(Position, SessionStatus)>,
}

/// The fate of a call.
enum Fate {
    Answered,
    /// The call never reaches the store.
    Lost,
    /// The store executes the call, and the answer is lost.
    Forgotten,
    /// There is neither an answer nor an error.
    Hung,
}

impl Network {
    pub(crate) fn new(dice: Dice, lie: Option<Lie>) -> Self {
        let weather = Weather {
            dice,
            faults: 0,
            calm: true,
            cut_off_until: None,
            busy_until: None,
            slow_until: None,
            hung: None,
            astray: None,
            pages_astray_until: None,
            page: vec![],
        };
        Self { weather: Arc::new(Mutex::new(weather)), is_control: false, lie, due: watch::Sender::new(None) }
    }

    /// From now on, this number of calls in a hundred fail, and all calls take time.
    pub(crate) fn begin(&self, faults: u64) {
        let mut weather = self.weather.lock().unwrap();
        weather.faults = faults;
        weather.calm = false;
    }

    /// Nothing gets through for this long.
    pub(crate) fn cut_off_for(&self, duration: Duration) {
        self.weather.lock().unwrap().cut_off_until = Some(Instant::now() + duration);
    }

    /// Requests wait for earlier requests for this long.
    pub(crate) fn busy_for(&self, duration: Duration) {
        self.weather.lock().unwrap().busy_until = Some(Instant::now() + duration);
    }

    /// Answers come late for this long.
    pub(crate) fn slow_for(&self, duration: Duration) {
        self.weather.lock().unwrap().slow_until = Some(Instant::now() + duration);
    }

    /// One kind of call hangs for this long.
    pub(crate) fn hang_for(&self, call: Call, duration: Duration) {
        self.weather.lock().unwrap().hung = Some((call, Instant::now() + duration));
    }

    /// The control plane's calls go to a store without progress for this long: a standby, or another file.
    pub(crate) fn lead_astray_for(&self, to_standby: bool, duration: Duration) {
        let standby: Label = |told| Provenance { primary: false, ..told };
        let other: Label = |told| Provenance { store: StoreId::from_bytes([9; 16]), ..told };
        let label = if to_standby { standby } else { other };
        self.weather.lock().unwrap().astray = Some(Astray { until: Instant::now() + duration, label, seen: None });
    }

    /// A load's pages come from a standby without progress for this long, and all other answers come from the primary.
    pub(crate) fn lead_pages_astray_for(&self, duration: Duration) {
        self.weather.lock().unwrap().pages_astray_until = Some(Instant::now() + duration);
    }

    /// Ends when a requester has waited for longer than W since the commit in question, or since its repeated request.
    pub(crate) async fn is_overdue(&self) {
        let mut changes = self.due.subscribe();
        loop {
            let due = *changes.borrow_and_update();
            match due {
                None => changes.changed().await.unwrap(),
                Some(at) if tokio::time::timeout_at(at, changes.changed()).await.is_err() => return,
                Some(_) => {}
            }
        }
    }

    fn roll(&self, call: Call) -> (Duration, Fate, Duration) {
        let mut weather = self.weather.lock().unwrap();
        let now = Instant::now();
        let left = |until: Option<Instant>| until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        let queue = if self.is_control { Duration::ZERO } else { left(weather.busy_until) };
        if weather.hung.is_some_and(|(hung, until)| hung == call && now < until) {
            return (queue, Fate::Hung, Duration::ZERO);
        }
        if weather.calm {
            return (queue, Fate::Answered, Duration::ZERO);
        }
        // Mostly fast, sometimes as slow as a lease is long.
        let mut delay = || {
            let micros = match weather.dice.below(20) {
                0 => weather.dice.below(3_500_000),
                1..4 => weather.dice.below(100_000),
                _ => weather.dice.below(1_000),
            };
            Duration::from_micros(micros)
        };
        let (there, mut back) = (delay(), delay());
        if !left(weather.slow_until).is_zero() {
            back = LEASE * u32::try_from(weather.dice.below(100)).unwrap() / 200;
        }
        let fate = match weather.dice.below(100) {
            _ if !left(weather.cut_off_until).is_zero() => Fate::Lost,
            roll if roll < weather.faults / 2 => Fate::Lost,
            roll if roll < weather.faults => Fate::Forgotten,
            _ => Fate::Answered,
        };
        (queue + there, fate, back)
    }

    /// Replaces a page by the standby's page, if the page comes from the standby.
    fn turn_page(&self, page: &mut Sourced<Vec<ActiveSecret>>) {
        let mut weather = self.weather.lock().unwrap();
        let (told, secrets) = page.clone().proved_of_any_store().unwrap();
        // The page after the last is empty everywhere.
        if secrets.is_empty() {
            return;
        }
        if weather.pages_astray_until.is_none_or(|until| Instant::now() >= until) {
            weather.page = secrets;
            return;
        }
        let primary = self.lie == Some(Lie::StalePageAsThePrimarys);
        *page = Sourced::new(Provenance { primary, ..told }, weather.page.clone());
    }

    /// Records the time by which a requester must have its answer, at the start and the end of its calls.
    fn note(&self, call: Call, begun: Instant) {
        let wait = LeaseConfig::writer_wait(LEASE) * 100 / 99 + ROUNDING;
        match call {
            "change" => drop(self.due.send_replace(Some(Instant::now() + wait + STATUS_TIMEOUT))),
            // The first call of a wait for an earlier operation.
            "identity" => {
                let due = (begun + wait).max(Instant::now() + STATUS_TIMEOUT) + STATUS_TIMEOUT;
                self.due.send_replace(Some(due));
            }
            _ => {}
        }
    }
}

/// The time that a writer spends on telling the nodes, as in `control::effect`.
const STATUS_TIMEOUT: Duration = Duration::from_millis(500);

/// Tokio's timers have a resolution of a millisecond.
const ROUNDING: Duration = Duration::from_millis(2);

#[async_trait]
impl Way for Network {
    async fn carry(&self, call: Call, work: Work<'_>) -> Result<(), StoreError> {
        let begun = Instant::now();
        if matches!(call, "access_key" | "access_keys" | "change" | "last_change_of" | "operation" | "organization") {
            self.due.send_replace(None);
        }
        let (there, fate, back) = self.roll(call);
        tokio::time::sleep(there).await;
        match fate {
            Fate::Lost => return Err(StoreError::Unavailable("the network".into())),
            Fate::Hung => return std::future::pending().await,
            Fate::Forgotten | Fate::Answered => work.await,
        }
        tokio::time::sleep(back).await;
        if matches!(fate, Fate::Forgotten) {
            return Err(StoreError::Unavailable("the network".into()));
        }
        self.note(call, begun);
        Ok(())
    }

    fn retouch(&self, _call: Call, answer: &mut dyn Any) {
        if self.lie == Some(Lie::AnswerBeforeItsRevision) {
            if let Some(sourced) = answer.downcast_mut::<Sourced<Option<Operation>>>() {
                let (told, found) = sourced.clone().proved_of_any_store().unwrap();
                let forgotten = found.map(|operation| Operation { revision: Revision::default(), ..operation });
                *sourced = Sourced::new(told, forgotten);
            } else if let Some(sourced) = answer.downcast_mut::<Sourced<Option<Revision>>>() {
                *sourced = Sourced::new(*sourced.provenance(), None);
            }
        }
        if let Some(page) = answer.downcast_mut::<Sourced<Vec<ActiveSecret>>>() {
            self.turn_page(page);
        }
        let mut weather = self.weather.lock().unwrap();
        let astray = weather.astray.as_mut().filter(|astray| self.is_control && Instant::now() < astray.until);
        let Some(astray) = astray else { return };
        if let Some(sourced) = answer.downcast_mut::<Sourced<Observation>>() {
            let (told, found) = sourced.clone().proved_of_any_store().unwrap();
            match astray.seen {
                Some((position, session)) => {
                    let stale = Observation {
                        session: Some(session),
                        position,
                        operation_there: position.operation,
                        is_noted: false,
                        open_loss: None,
                        touched_by_others: false,
                        changes: vec![],
                        origins: vec![],
                    };
                    *sourced = Sourced::new(told, stale);
                }
                None => astray.seen = found.session.map(|session| (found.position, session)),
            }
        }
        if self.lie != Some(Lie::StaleAnswerAsThePrimarys) {
            relabel(answer, astray.label);
        }
    }

    fn control(&self) -> Option<Arc<Self>> {
        (self.lie != Some(Lie::SharedQueue)).then(|| {
            let due = watch::Sender::new(None);
            Arc::new(Self { weather: Arc::clone(&self.weather), is_control: true, lie: self.lie, due })
        })
    }

    fn poll_interval(&self) -> Duration {
        Duration::from_millis(300)
    }
}
