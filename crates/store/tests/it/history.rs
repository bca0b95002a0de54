//! A log is verified and exported in a single state, despite concurrent changes. A writer of the store cannot forge the record of
//! pruned events.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "the tests stand in for the core, which mints scopes")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use doorward_audit::{
    Action, Attribution, ChainError, ChainVerifier, Checkpoint, Event, EventDraft, NoteKey, NoteVerifier, Pruned,
    PrunedError,
};
use doorward_store::{AuditLog, EventFilter, LogCheck, LogError, LogExport, Page, Scope, StoreError, verify_log};
use doorward_store_memory::MemoryStore;
use doorward_types::{Environment, OrganizationId, Timestamp, altered};

const ORGANIZATION: OrganizationId = OrganizationId::from_u128(7);

/// The number of events that a store reads at a time.
const BATCH: u64 = 5_000;

fn draft_of(environment: Environment, action: Action, subject: &str) -> EventDraft {
    let ada = Attribution::local("ada".parse().unwrap());
    EventDraft::new(&ada, Timestamp::from_millis(3), action, subject.to_owned(), (ORGANIZATION, environment))
}

fn name(environment: Environment) -> String {
    Checkpoint::origin_of(ORGANIZATION, environment)
}

/// A log in memory, and its signing key.
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

    /// Does what any writer of the store can do: inserts the row and the event, and deletes events.
    async fn put(&self, pruned: Pruned, told: &str) {
        let event = draft_of(self.scope.environment(), Action::AuditLogPruned, told);
        self.store.prune(&self.scope, pruned, event).await.unwrap();
    }

    async fn verify(&self, check: LogCheck<'_>) -> Result<u64, LogError> {
        verify_log(&*self.store, &self.scope, &check, &mut |_| {}).await.map(|verified| verified.size())
    }

    async fn refused(&self, keys: &[NoteVerifier]) -> PrunedError {
        match self.verify(LogCheck::default().with_keys(keys)).await {
            Err(LogError::Pruned(fault)) => fault,
            other => panic!("{other:?}"),
        }
    }
}

/// A store whose log is pruned by some events before each page is read.
#[derive(Debug)]
struct Pruning<'a> {
    world: &'a World,
    step: u64,
    until: u64,
    reads: AtomicU64,
}

#[async_trait]
impl AuditLog for Pruning<'_> {
    async fn chain(&self, scope: &Scope, page: Page<u64>) -> Result<Vec<Result<Event, ChainError>>, StoreError> {
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
async fn a_log_pruned_during_its_verification_is_intact() {
    let size = 4 * BATCH;
    for step in [BATCH - 1, BATCH, 2 * BATCH + 1, size] {
        let world = World::new(Environment::Test, size).await;
        let store = Pruning { world: &world, step, until: size, reads: AtomicU64::new(0) };
        let keys = world.verifier();
        let check = LogCheck::default().with_keys(&keys);
        let verified = verify_log(&store, &world.scope, &check, &mut |_| {}).await.unwrap();
        assert!(verified.is_proved() && verified.size() > size, "{step}: {verified:?}");
        // A deletion is still found.
        assert_eq!(world.verify(check).await.unwrap(), size + size / step);
    }
}

#[tokio::test]
async fn an_export_overtaken_by_a_prune_fails() {
    let world = World::new(Environment::Test, 2 * BATCH).await;
    let store: Arc<dyn AuditLog> = Arc::clone(&world.store) as _;
    let ada = Attribution::local("ada".parse().unwrap());
    let begin = || LogExport::begin(Arc::clone(&store), world.scope, &ada, Timestamp::from_millis(1));
    let (mut early, mut late) = (begin().await.unwrap(), begin().await.unwrap());
    let begun = early.next_page().await.unwrap();
    assert_eq!((begun[0].sequence, begun.len() as u64), (1, BATCH));
    world.prune(BATCH + 3).await;
    // An export that had begun has a gap. An export that had not begun starts at the log's new beginning.
    let broken = early.next_page().await;
    assert!(matches!(broken, Err(LogError::Overtaken { from: 5_001, to: 5_003 })), "{broken:?}");
    let page = late.next_page().await.unwrap();
    let sequences: Vec<u64> = page.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (BATCH + 4..=2 * BATCH + 2).collect::<Vec<_>>());
    assert_eq!(late.next_page().await.unwrap(), []);
    // All of the export's events are gone.
    let mut never = begin().await.unwrap();
    world.prune(never.size()).await;
    assert!(matches!(never.next_page().await, Err(LogError::Overtaken { .. })));
}

/// A writer of the store has every checkpoint that was ever handed out, every statement of other logs, and keys of their own.
#[tokio::test]
async fn a_prune_statement_is_valid_for_exactly_its_events() {
    let world = World::new(Environment::Test, 6).await;
    let keys = world.verifier();
    let whole = verify_log(&*world.store, &world.scope, &LogCheck::default(), &mut |_| {}).await.unwrap();
    let checkpoint = whole.sign(&world.key).unwrap();
    world.store.record(draft_of(Environment::Test, Action::AccessKeyCreated, "key_7")).await.unwrap();
    let genuine = world.statement(6).await;

    // A genuine checkpoint of exactly these events.
    let forged = altered!(genuine.clone(), note: checkpoint.clone());
    let told = Pruned::subject(&world.log, 6);
    let backup = world.store.backup();
    let restored = || World {
        store: Arc::new(backup.backup()),
        scope: world.scope,
        log: world.log.clone(),
        key: NoteKey::from_seed(&[7; 32].into()),
    };
    world.put(forged, &told).await;
    assert_eq!(world.refused(&[]).await, PrunedError::OldForm(6));
    assert_eq!(world.refused(&keys).await, PrunedError::OldForm(6));
    // The checkpoint and the statement have different names, so neither can replace the other.
    let plain = Checkpoint::open(&genuine.note, &keys[0]);
    assert!(plain.is_err() && Checkpoint::open_any(&genuine.note, &keys).is_ok_and(|other| other.origin != world.log));

    // A statement signed by another key: only the holder of a trusted key notices it.
    let mine = NoteKey::from_seed(&[66; 32].into());
    let world = restored();
    let mut chain = ChainVerifier::default();
    for event in world.store.chain(&world.scope, Page::first(6)).await.unwrap() {
        chain.follow(&event.unwrap()).unwrap();
    }
    world.put(chain.prune(&world.log, &mine).unwrap().unwrap(), &told).await;
    assert_eq!(world.refused(&keys).await, PrunedError::Unsigned(6));
    let unproved = verify_log(&*world.store, &world.scope, &LogCheck::default(), &mut |_| {}).await.unwrap();
    assert!(!unproved.is_proved() && unproved.pruned() == 6);
    assert_eq!(unproved.sign(&world.key).unwrap_err().0, 6);
    let unproved = world.store.pruned(&world.scope).await.unwrap().unwrap().verifier(&world.log, &[]).unwrap();
    assert_eq!(unproved.prune(&world.log, &world.key).unwrap_err().0, 6);

    // Statements without a signature, with changes, and of another log but signed by the right key.
    let other = World::new(Environment::Production, 6).await.statement(6).await;
    let (text, signatures) = genuine.note.split_once("\n\n").unwrap();
    let forms = [
        (altered!(genuine.clone(), note: text.to_owned()), None),
        (altered!(genuine.clone(), note: format!("{text}\n\n")), Some(PrunedError::Unsigned(6))),
        (altered!(genuine.clone(), note: format!("{}\n\n{signatures}", text.replace("\n6\n", "\n5\n"))), None),
        (altered!(genuine.clone(), note: other.note), Some(PrunedError::Differs)),
        (altered!(genuine.clone(), peaks: other.peaks), Some(PrunedError::Differs)),
    ];
    for (form, fault) in forms {
        let world = restored();
        world.put(form.clone(), &told).await;
        let found = world.refused(&keys).await;
        assert!(fault.is_none_or(|fault| fault == found), "{form:?}: {found:?}");
    }
    // The genuine statement is accepted.
    let world = restored();
    world.put(genuine, &told).await;
    assert_eq!(world.verify(LogCheck::default().with_keys(&keys)).await.unwrap(), 8);
}

/// An old statement, replayed after a later prune, covers too few events.
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
        .resign(&now, altered!(older, size: now.size), draft_of(Environment::Test, Action::AuditLogResigned, "x"))
        .await
        .unwrap();
    assert_eq!(world.refused(&keys).await, PrunedError::Differs);
}

/// Signing keys rotate: both keys sign the record of pruned events, and each verifies it.
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
    // A statement replaces an older checkpoint.
    let old = altered!(first, note: "doorward/org_x/test\n4\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nincarnation 3\n\n".to_owned());
    assert_eq!(old.verifier(&world.log, &[]).unwrap_err(), PrunedError::OldForm(4));
    let renewed = old.signed_again(&world.log, &second).unwrap();
    let chain = renewed.verifier(&world.log, &[second.verifier(&world.log)]).unwrap();
    assert_eq!((chain.tree().size(), chain.incarnation().0), (4, 3));
}
