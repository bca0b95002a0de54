//! A log is verified and exported in one state, whatever is done to it meanwhile; and what stands for pruned events cannot be
//! forged by a writer of the store.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "the tests stand in for the core, which mints scopes")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use doorward_audit::{
    Action, Attribution, ChainFault, ChainVerifier, Checkpoint, Event, EventDraft, NoteKey, NoteVerifier, Pruned,
    PrunedFault,
};
use doorward_store::{AuditLog, EventFilter, LogCheck, LogExport, LogFault, Page, Scope, StoreError, verify_log};
use doorward_store_memory::MemoryStore;
use doorward_types::{Environment, OrganizationId, Timestamp};

const ORGANIZATION: OrganizationId = OrganizationId::from_u128(7);

/// Events that a store reads at a time.
const BATCH: u64 = 5_000;

fn draft_of(environment: Environment, action: Action, subject: &str) -> EventDraft {
    let ada = Attribution::local("ada".parse().unwrap());
    EventDraft::new(&ada, Timestamp::from_millis(3), action, subject.to_owned(), (ORGANIZATION, environment))
}

fn name(environment: Environment) -> String {
    Checkpoint::origin_of(ORGANIZATION, environment)
}

/// A log in memory, and the key that signs for it.
#[derive(Debug)]
struct World {
    store: Arc<MemoryStore>,
    scope: Scope,
    log: String,
    key: NoteKey,
}

impl World {
    async fn new(environment: Environment, events: u64) -> Self {
        let store = Arc::new(MemoryStore::new());
        for number in 0..events {
            let draft = draft_of(environment, Action::AccessKeyCreated, &format!("key_{number}"));
            store.record(draft).await.unwrap();
        }
        let scope = Scope::assertion(ORGANIZATION, environment);
        Self { store, scope, log: name(environment), key: NoteKey::from_seed(&[7; 32].into()) }
    }

    fn verifier(&self) -> [NoteVerifier; 1] {
        [self.key.verifier(&self.log)]
    }

    async fn statement(&self, size: u64) -> Pruned {
        let mut chain = match self.store.pruned(&self.scope).await.unwrap() {
            Some(before) => before.verifier(&self.log, &self.verifier()).unwrap(),
            None => ChainVerifier::default(),
        };
        let limit = u32::try_from(size - chain.tree().size()).unwrap();
        for event in self.store.chain(&self.scope, Page::first(limit)).await.unwrap() {
            chain.follow(&event.unwrap()).unwrap();
        }
        chain.prune(&self.log, &self.key).unwrap().unwrap()
    }

    async fn prune(&self, size: u64) {
        let pruned = self.statement(size).await;
        self.put(pruned, &Pruned::subject(&self.log, size)).await;
    }

    /// What a writer of the store does: the row, the event and the deletion.
    async fn put(&self, pruned: Pruned, told: &str) {
        let event = draft_of(self.scope.environment(), Action::AuditLogPruned, told);
        self.store.prune(&self.scope, pruned, event).await.unwrap();
    }

    async fn verify(&self, check: LogCheck<'_>) -> Result<u64, LogFault> {
        verify_log(&*self.store, &self.scope, &check, &mut |_| {}).await.map(|verified| verified.size())
    }

    async fn refused(&self, keys: &[NoteVerifier]) -> PrunedFault {
        match self.verify(LogCheck { keys, ..LogCheck::default() }).await {
            Err(LogFault::Pruned(fault)) => fault,
            other => panic!("{other:?}"),
        }
    }
}

/// A store in which somebody prunes before each page is read, some events at a time.
#[derive(Debug)]
struct Pruning<'a> {
    world: &'a World,
    step: u64,
    until: u64,
    reads: AtomicU64,
}

#[async_trait]
impl AuditLog for Pruning<'_> {
    async fn chain(&self, scope: &Scope, page: Page<u64>) -> Result<Vec<Result<Event, ChainFault>>, StoreError> {
        let size = self.step * (self.reads.fetch_add(1, Ordering::Relaxed) + 1);
        if size <= self.until {
            self.world.prune(size).await;
        }
        self.world.store.chain(scope, page).await
    }

    async fn events(&self, scope: &Scope, filter: &EventFilter, page: Page<u64>) -> Result<Vec<Event>, StoreError> {
        AuditLog::events(&*self.world.store, scope, filter, page).await
    }

    async fn record(&self, event: EventDraft) -> Result<(), StoreError> {
        self.world.store.record(event).await
    }

    async fn pruned(&self, scope: &Scope) -> Result<Option<Pruned>, StoreError> {
        self.world.store.pruned(scope).await
    }

    async fn prune(&self, scope: &Scope, pruned: Pruned, event: EventDraft) -> Result<(), StoreError> {
        self.world.store.prune(scope, pruned, event).await
    }

    async fn resign(&self, before: &Pruned, after: Pruned, event: EventDraft) -> Result<(), StoreError> {
        self.world.store.resign(before, after, event).await
    }

    async fn logs(&self) -> Result<Vec<(OrganizationId, Environment)>, StoreError> {
        self.world.store.logs().await
    }
}

#[tokio::test]
async fn a_log_that_is_pruned_meanwhile_is_whole() {
    let size = 4 * BATCH;
    for step in [BATCH - 1, BATCH, 2 * BATCH + 1, size] {
        let world = World::new(Environment::Test, size).await;
        let store = Pruning { world: &world, step, until: size, reads: AtomicU64::new(0) };
        let keys = world.verifier();
        let check = LogCheck { keys: &keys, ..LogCheck::default() };
        let verified = verify_log(&store, &world.scope, &check, &mut |_| {}).await.unwrap();
        assert!(verified.is_proved() && verified.size() > size, "{step}: {verified:?}");
        // What was deleted is missed as before.
        assert_eq!(world.verify(check).await.unwrap(), size + size / step);
    }
}

#[tokio::test]
async fn an_export_that_a_prune_overtakes_breaks_off() {
    let world = World::new(Environment::Test, 2 * BATCH).await;
    let store: Arc<dyn AuditLog> = Arc::clone(&world.store) as _;
    let ada = Attribution::local("ada".parse().unwrap());
    let begin = || LogExport::begin(Arc::clone(&store), world.scope, &ada, Timestamp::from_millis(1));
    let (mut early, mut late) = (begin().await.unwrap(), begin().await.unwrap());
    let begun = early.next_page().await.unwrap();
    assert_eq!((begun[0].sequence, begun.len() as u64), (1, BATCH));
    world.prune(BATCH + 3).await;
    // One that had begun has a gap; one that had not begins where the log does now.
    let broken = early.next_page().await;
    assert!(matches!(broken, Err(LogFault::Overtaken { from: 5_001, to: 5_003 })), "{broken:?}");
    let page = late.next_page().await.unwrap();
    let sequences: Vec<u64> = page.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (BATCH + 4..=2 * BATCH + 2).collect::<Vec<_>>());
    assert_eq!(late.next_page().await.unwrap(), []);
    // All that it was to hold is gone.
    let mut never = begin().await.unwrap();
    world.prune(never.size()).await;
    assert!(matches!(never.next_page().await, Err(LogFault::Overtaken { .. })));
}

/// A writer of the store has any checkpoint that was ever given away, any statement of another log, and keys of
/// their own.
#[tokio::test]
async fn what_stands_for_pruned_events_is_signed_as_that_and_for_nothing_else() {
    let world = World::new(Environment::Test, 6).await;
    let keys = world.verifier();
    let whole = verify_log(&*world.store, &world.scope, &LogCheck::default(), &mut |_| {}).await.unwrap();
    let checkpoint = whole.sign(&world.key).unwrap();
    world.store.record(draft_of(Environment::Test, Action::AccessKeyCreated, "key_7")).await.unwrap();
    let genuine = world.statement(6).await;

    // A genuine checkpoint of just these events.
    let forged = Pruned { note: checkpoint.clone(), ..genuine.clone() };
    let told = Pruned::subject(&world.log, 6);
    let backup = world.store.backup();
    let restored = || World {
        store: Arc::new(backup.backup()),
        scope: world.scope,
        log: world.log.clone(),
        key: NoteKey::from_seed(&[7; 32].into()),
    };
    world.put(forged, &told).await;
    assert_eq!(world.refused(&[]).await, PrunedFault::OldForm(6));
    assert_eq!(world.refused(&keys).await, PrunedFault::OldForm(6));
    // The checkpoint and the statement have different names, so that neither passes for the other.
    let plain = Checkpoint::open(&genuine.note, &keys[0]);
    assert!(plain.is_err() && Checkpoint::open_any(&genuine.note, &keys).is_ok_and(|other| other.origin != world.log));

    // A statement that another key signed: seen by the holder of a key.
    let mine = NoteKey::from_seed(&[66; 32].into());
    let world = restored();
    let mut chain = ChainVerifier::default();
    for event in world.store.chain(&world.scope, Page::first(6)).await.unwrap() {
        chain.follow(&event.unwrap()).unwrap();
    }
    world.put(chain.prune(&world.log, &mine).unwrap().unwrap(), &told).await;
    assert_eq!(world.refused(&keys).await, PrunedFault::Unsigned(6));
    let unproved = verify_log(&*world.store, &world.scope, &LogCheck::default(), &mut |_| {}).await.unwrap();
    assert!(!unproved.is_proved() && unproved.pruned() == 6);
    assert_eq!(unproved.sign(&world.key).unwrap_err().0, 6);
    let unproved = world.store.pruned(&world.scope).await.unwrap().unwrap().verifier(&world.log, &[]).unwrap();
    assert_eq!(unproved.prune(&world.log, &world.key).unwrap_err().0, 6);

    // A statement without a signature, a changed one, and one of another log, signed by the right key.
    let other = World::new(Environment::Production, 6).await.statement(6).await;
    let (text, signatures) = genuine.note.split_once("\n\n").unwrap();
    let forms = [
        (Pruned { note: text.to_owned(), ..genuine.clone() }, None),
        (Pruned { note: format!("{text}\n\n"), ..genuine.clone() }, Some(PrunedFault::Unsigned(6))),
        (Pruned { note: format!("{}\n\n{signatures}", text.replace("\n6\n", "\n5\n")), ..genuine.clone() }, None),
        (Pruned { note: other.note, ..genuine.clone() }, Some(PrunedFault::Differs)),
        (Pruned { peaks: other.peaks, ..genuine.clone() }, Some(PrunedFault::Differs)),
    ];
    for (form, fault) in forms {
        let world = restored();
        world.put(form.clone(), &told).await;
        let found = world.refused(&keys).await;
        assert!(fault.is_none_or(|fault| fault == found), "{form:?}: {found:?}");
    }
    // And the real one is taken.
    let world = restored();
    world.put(genuine, &told).await;
    assert_eq!(world.verify(LogCheck { keys: &keys, ..LogCheck::default() }).await.unwrap(), 8);
}

/// An old statement, replayed after a later prune, stands for too few events.
#[tokio::test]
async fn an_older_prune_cannot_be_replayed() {
    let world = World::new(Environment::Test, 8).await;
    let keys = world.verifier();
    world.prune(3).await;
    let older = world.store.pruned(&world.scope).await.unwrap().unwrap();
    world.prune(6).await;
    let now = world.store.pruned(&world.scope).await.unwrap().unwrap();
    world
        .store
        .resign(&now, Pruned { size: now.size, ..older }, draft_of(Environment::Test, Action::AuditLogResigned, "x"))
        .await
        .unwrap();
    assert_eq!(world.refused(&keys).await, PrunedFault::Differs);
}

/// Signing keys rotate: what stands for pruned events is signed by both, and each verifies it.
#[tokio::test]
async fn a_statement_can_be_signed_by_several_keys() {
    let world = World::new(Environment::Test, 5).await;
    world.prune(4).await;
    let first = world.store.pruned(&world.scope).await.unwrap().unwrap();
    let (second, third) = (NoteKey::from_seed(&[8; 32].into()), NoteKey::from_seed(&[9; 32].into()));
    let both = first.signed_again(&world.log, &second).unwrap();
    let named_for_another_log = second.verifier("doorward/org_x/production");
    assert!(
        both.is_signed_by(&world.log, &world.verifier()[0]) && both.is_signed_by(&world.log, &named_for_another_log)
    );
    assert!(!both.is_signed_by(&world.log, &third.verifier(&world.log)));
    assert!(!first.is_signed_by(&world.log, &second.verifier(&world.log)));
    // A checkpoint from before gives way to a statement.
    let old = Pruned {
        note: "doorward/org_x/test\n4\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nincarnation 3\n\n".to_owned(),
        ..first
    };
    assert_eq!(old.verifier(&world.log, &[]).unwrap_err(), PrunedFault::OldForm(4));
    let renewed = old.signed_again(&world.log, &second).unwrap();
    let chain = renewed.verifier(&world.log, &[second.verifier(&world.log)]).unwrap();
    assert_eq!((chain.tree().size(), chain.incarnation().0), (4, 3));
}
