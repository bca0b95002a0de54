//! A store that delays, loses and forgets to answer, as a network does.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use doorward_audit::{ChainFault, Event, EventDraft, Pruned};
use doorward_key::Digest;
use doorward_store::{
    AccessKeyWithSecrets, AuditLog, Change, ChangeContext, Coherence, Connector, ConnectorName, Credential,
    CredentialKey, EventFilter, KeyStore, LinkSession, LinkSessions, LiveSecret, LostChange, LostChanges, MemoryStore,
    Operator, Operators, Organization, OriginEntry, Outbox, Page, Poll, Position, RegisteredUser, Revision, Scope,
    SecretUsage, Session, SessionStatus, Shipment, SignIn, SignIns, SinkState, SpanUses, StoreError, Table, TakenLink,
    ToolCall, ToolCalls, UsageLog,
};
use doorward_types::{
    Environment, Locator, Name, OperatorId, OrganizationId, RegisteredUserId, SessionId, Timestamp, ToolCallId,
};
use tokio::time::Instant;

/// xorshift64*: what a seed rolls, it rolls again.
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

/// One machine's way to a store that several share.
#[derive(Debug)]
pub(crate) struct FaultyStore {
    inner: Arc<MemoryStore>,
    weather: Mutex<Weather>,
}

#[derive(Debug)]
struct Weather {
    dice: Dice,
    /// Of a hundred calls, how many go wrong.
    faults: u64,
    calm: bool,
    cut_off_until: Option<Instant>,
}

/// How a call goes.
enum Fate {
    Answered,
    /// It never reaches the store.
    Lost,
    /// The store does what was asked, and the answer never comes back.
    Forgotten,
}

impl FaultyStore {
    pub(crate) fn new(inner: Arc<MemoryStore>, dice: Dice) -> Self {
        Self { inner, weather: Weather { dice, faults: 0, calm: true, cut_off_until: None }.into() }
    }

    /// From now on, so many of a hundred calls go wrong, and all of them take their time.
    pub(crate) fn begin(&self, faults: usize) {
        let mut weather = self.weather.lock().unwrap();
        weather.faults = faults as u64;
        weather.calm = false;
    }

    /// For so long, nothing gets through.
    pub(crate) fn cut_off_for(&self, duration: Duration) {
        self.weather.lock().unwrap().cut_off_until = Some(Instant::now() + duration);
    }

    fn roll(&self) -> (Duration, Fate, Duration) {
        let mut weather = self.weather.lock().unwrap();
        if weather.calm {
            return (Duration::ZERO, Fate::Answered, Duration::ZERO);
        }
        // Mostly quick, sometimes as slow as a lease is long.
        let mut delay = || {
            let micros = match weather.dice.below(20) {
                0 => weather.dice.below(3_000_000),
                1..4 => weather.dice.below(100_000),
                _ => weather.dice.below(1_000),
            };
            Duration::from_micros(micros)
        };
        let (there, back) = (delay(), delay());
        let cut_off = weather.cut_off_until.is_some_and(|until| Instant::now() < until);
        let fate = match weather.dice.below(100) {
            _ if cut_off => Fate::Lost,
            roll if roll < weather.faults / 2 => Fate::Lost,
            roll if roll < weather.faults => Fate::Forgotten,
            _ => Fate::Answered,
        };
        (there, fate, back)
    }

    async fn call<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let (there, fate, back) = self.roll();
        tokio::time::sleep(there).await;
        let lost = || StoreError::Unavailable("the network".into());
        match fate {
            Fate::Lost => Err(lost()),
            Fate::Forgotten => {
                let _ = work.await;
                tokio::time::sleep(back).await;
                Err(lost())
            }
            Fate::Answered => {
                let answer = work.await;
                tokio::time::sleep(back).await;
                answer
            }
        }
    }
}

#[async_trait]
impl KeyStore for FaultyStore {
    async fn change(&self, change: Change, context: ChangeContext) -> Result<Revision, StoreError> {
        self.call(self.inner.change(change, context)).await
    }

    async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, StoreError> {
        self.call(self.inner.organization(id)).await
    }

    async fn organizations(&self, page: Page<OrganizationId>) -> Result<Vec<Organization>, StoreError> {
        self.call(self.inner.organizations(page)).await
    }

    async fn allowed_origins(&self, organization: OrganizationId) -> Result<Vec<OriginEntry>, StoreError> {
        self.call(self.inner.allowed_origins(organization)).await
    }

    async fn access_keys(&self, organization: OrganizationId) -> Result<Vec<AccessKeyWithSecrets>, StoreError> {
        self.call(self.inner.access_keys(organization)).await
    }
}

#[async_trait]
impl Coherence for FaultyStore {
    async fn register(&self, session: Session) -> Result<(), StoreError> {
        self.call(self.inner.register(session)).await
    }

    async fn live_secrets(&self, after: Option<&LiveSecret>, limit: u32) -> Result<Vec<LiveSecret>, StoreError> {
        self.call(self.inner.live_secrets(after, limit)).await
    }

    async fn live_origins(&self, after: Option<&OriginEntry>, limit: u32) -> Result<Vec<OriginEntry>, StoreError> {
        self.call(self.inner.live_origins(after, limit)).await
    }

    async fn live_secret(&self, locator: Locator) -> Result<Option<LiveSecret>, StoreError> {
        self.call(self.inner.live_secret(locator)).await
    }

    async fn position(&self) -> Result<Position, StoreError> {
        self.call(self.inner.position()).await
    }

    async fn poll(&self, session: SessionId, since: Position) -> Result<Poll, StoreError> {
        self.call(self.inner.poll(session, since)).await
    }

    async fn acknowledge(&self, session: SessionId, revision: Revision) -> Result<(), StoreError> {
        self.call(self.inner.acknowledge(session, revision)).await
    }

    async fn sessions(&self) -> Result<Vec<SessionStatus>, StoreError> {
        self.call(self.inner.sessions()).await
    }

    async fn retire(&self, sessions: &[SessionId]) -> Result<(), StoreError> {
        self.call(self.inner.retire(sessions)).await
    }

    async fn remove(&self, sessions: &[SessionId]) -> Result<(), StoreError> {
        self.call(self.inner.remove(sessions)).await
    }

    fn poll_interval(&self) -> Duration {
        Duration::from_millis(300)
    }
}

#[async_trait]
impl LostChanges for FaultyStore {
    async fn report_lost(&self, change: Position) -> Result<(), StoreError> {
        self.call(self.inner.report_lost(change)).await
    }

    async fn lost_changes(&self) -> Result<Vec<LostChange>, StoreError> {
        self.call(self.inner.lost_changes()).await
    }

    async fn accept_lost(&self, event: EventDraft) -> Result<(), StoreError> {
        self.call(self.inner.accept_lost(event)).await
    }
}

#[async_trait]
impl UsageLog for FaultyStore {
    async fn add_uses(&self, uses: &[(Locator, u32)], at: Timestamp) -> Result<(), StoreError> {
        self.call(self.inner.add_uses(uses, at)).await
    }

    async fn recent_uses(&self, organization: OrganizationId, now: Timestamp) -> Result<Vec<SpanUses>, StoreError> {
        self.call(self.inner.recent_uses(organization, now)).await
    }

    async fn usage(&self, organization: OrganizationId, now: Timestamp) -> Result<Vec<SecretUsage>, StoreError> {
        self.call(self.inner.usage(organization, now)).await
    }
}

#[async_trait]
impl AuditLog for FaultyStore {
    async fn events(&self, scope: &Scope, filter: &EventFilter, page: Page<u64>) -> Result<Vec<Event>, StoreError> {
        self.call(self.inner.events(scope, filter, page)).await
    }

    async fn record(&self, event: EventDraft) -> Result<(), StoreError> {
        self.call(self.inner.record(event)).await
    }

    async fn chain(&self, scope: &Scope, page: Page<u64>) -> Result<Vec<Result<Event, ChainFault>>, StoreError> {
        self.call(self.inner.chain(scope, page)).await
    }

    async fn pruned(&self, scope: &Scope) -> Result<Option<Pruned>, StoreError> {
        self.call(self.inner.pruned(scope)).await
    }

    async fn prune(&self, scope: &Scope, pruned: Pruned, event: EventDraft) -> Result<(), StoreError> {
        self.call(self.inner.prune(scope, pruned, event)).await
    }

    async fn logs(&self) -> Result<Vec<(OrganizationId, Environment)>, StoreError> {
        self.call(self.inner.logs()).await
    }
}

#[async_trait]
impl Outbox for FaultyStore {
    async fn events_after(&self, position: u64, limit: u32) -> Result<Vec<Shipment>, StoreError> {
        self.call(self.inner.events_after(position, limit)).await
    }

    async fn sinks(&self) -> Result<Vec<SinkState>, StoreError> {
        self.call(self.inner.sinks()).await
    }

    async fn take_sink(&self, name: &Name, beat: Option<u64>, holder: SessionId) -> Result<bool, StoreError> {
        self.call(self.inner.take_sink(name, beat, holder)).await
    }

    async fn advance_sink(&self, name: &Name, holder: SessionId, position: u64) -> Result<bool, StoreError> {
        self.call(self.inner.advance_sink(name, holder, position)).await
    }

    async fn release_sink(&self, name: &Name, holder: SessionId) -> Result<(), StoreError> {
        self.call(self.inner.release_sink(name, holder)).await
    }

    async fn forget_sink(&self, name: &Name) -> Result<bool, StoreError> {
        self.call(self.inner.forget_sink(name)).await
    }
}

#[async_trait]
impl Operators for FaultyStore {
    async fn add_operator(&self, operator: Operator, event: EventDraft) -> Result<(), StoreError> {
        self.call(self.inner.add_operator(operator, event)).await
    }

    async fn remove_operator(&self, id: OperatorId, event: EventDraft) -> Result<(), StoreError> {
        self.call(self.inner.remove_operator(id, event)).await
    }

    async fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        self.call(self.inner.operators()).await
    }

    async fn operator_by_locator(&self, locator: Locator) -> Result<Option<Operator>, StoreError> {
        self.call(self.inner.operator_by_locator(locator)).await
    }
}

macro_rules! table {
    ($record:ty, $key:ty) => {
        #[async_trait]
        impl Table<$record> for FaultyStore {
            async fn insert(&self, scope: &Scope, record: $record) -> Result<(), StoreError> {
                self.call(self.inner.insert(scope, record)).await
            }

            async fn put(&self, scope: &Scope, record: $record) -> Result<(), StoreError> {
                self.call(self.inner.put(scope, record)).await
            }

            async fn get(&self, scope: &Scope, key: &$key) -> Result<Option<$record>, StoreError> {
                self.call(self.inner.get(scope, key)).await
            }

            async fn list(&self, scope: &Scope, page: Page<$key>) -> Result<Vec<$record>, StoreError> {
                self.call(self.inner.list(scope, page)).await
            }

            async fn delete(&self, scope: &Scope, key: &$key) -> Result<bool, StoreError> {
                self.call(Table::<$record>::delete(&*self.inner, scope, key)).await
            }
        }
    };
}

table!(RegisteredUser, RegisteredUserId);
table!(Credential, CredentialKey);
table!(Connector, ConnectorName);

#[async_trait]
impl LinkSessions for FaultyStore {
    async fn open_link(&self, scope: &Scope, session: LinkSession, now: Timestamp) -> Result<(), StoreError> {
        self.call(self.inner.open_link(scope, session, now)).await
    }

    async fn take_link(&self, state: Digest, now: Timestamp) -> Result<Option<TakenLink>, StoreError> {
        self.call(self.inner.take_link(state, now)).await
    }
}

#[async_trait]
impl ToolCalls for FaultyStore {
    async fn begin_tool_call(&self, scope: &Scope, call: ToolCall) -> Result<(), StoreError> {
        self.call(self.inner.begin_tool_call(scope, call)).await
    }

    async fn end_tool_call(&self, scope: &Scope, call: ToolCall) -> Result<(), StoreError> {
        self.call(self.inner.end_tool_call(scope, call)).await
    }

    async fn tool_calls(
        &self,
        scope: &Scope,
        registered_user: Option<RegisteredUserId>,
        page: Page<ToolCallId>,
    ) -> Result<Vec<ToolCall>, StoreError> {
        self.call(self.inner.tool_calls(scope, registered_user, page)).await
    }
}

#[async_trait]
impl SignIns for FaultyStore {
    async fn add_sign_in(&self, sign_in: SignIn) -> Result<(), StoreError> {
        self.call(self.inner.add_sign_in(sign_in)).await
    }

    async fn sign_in(&self, token: Digest, now: Timestamp) -> Result<Option<(SignIn, Operator)>, StoreError> {
        self.call(self.inner.sign_in(token, now)).await
    }

    async fn take_sign_in(&self, token: Digest) -> Result<bool, StoreError> {
        self.call(self.inner.take_sign_in(token)).await
    }

    async fn see_sign_in(&self, token: Digest, at: Timestamp) -> Result<(), StoreError> {
        self.call(self.inner.see_sign_in(token, at)).await
    }

    async fn take_sign_ins(&self, operator: OperatorId) -> Result<u64, StoreError> {
        self.call(self.inner.take_sign_ins(operator)).await
    }
}
