//! The audit logs.

use std::collections::BTreeMap;
use std::sync::Arc;

use doorward_audit::{
    Action, ChainVerifier, Checkpoint, EventDraft, Hash, NoteKey, NoteVerifier, Pruned, PrunedError, VerifiedLog,
};
use doorward_key::Digest;
use doorward_records::Store;
use doorward_store::{
    Change, Conflict, EventFilter, LogCheck, LogError, Operator, Page, ProviderAccess, Scope, StoreError, known_logs,
    verify_log,
};
use doorward_types::{Environment, Incarnation, OperatorId, OrganizationId, SecretState, Timestamp, altered};

use crate::fixtures::{conflict, context, create, event, locator, log, name, provision, reference, secret, seed};

pub(super) async fn logs_are_separate(store: Arc<dyn Store>) {
    let (organization, key, _) = provision(&*store).await;
    let (other, ..) = provision(&*store).await;
    create(&*store, organization.id).await;
    let production = log(&*store, organization.id, Environment::Production).await;
    assert_eq!(production.len(), 1);
    let [stored] = &production[..] else { panic!("one event") };
    assert_eq!(stored.sequence, 1);
    let id = key.id.to_string();
    let told = event(Action::OrganizationCreated, organization.id, Environment::Production, &id);
    assert_eq!(stored.draft, told);
    assert_eq!(log(&*store, organization.id, Environment::Test).await.len(), 1);
    assert_eq!(log(&*store, other.id, Environment::Test).await, []);
}

pub(super) async fn every_event_follows_the_event_before(store: Arc<dyn Store>) {
    assert_eq!(store.logs().await.unwrap(), []);
    let (organization, ..) = provision(&*store).await;
    for _ in 0..3 {
        create(&*store, organization.id).await;
    }
    let logs = [Environment::Production, Environment::Test].map(|environment| (organization.id, environment));
    assert_eq!(store.logs().await.unwrap(), logs);
    let scope = Scope::assertion(organization.id, Environment::Test);
    let chain = store.chain(&scope, Page::first(10)).await.unwrap();
    let mut events = log(&*store, organization.id, Environment::Test).await;
    events.reverse();
    assert_eq!(chain.into_iter().map(Result::unwrap).collect::<Vec<_>>(), events);
    let page = store.chain(&scope, Page { after: Some(1), limit: 1 }).await.unwrap();
    assert_eq!(page.into_iter().map(Result::unwrap).collect::<Vec<_>>(), events[1..2]);
    assert!(events.iter().all(|event| event.hash == Some(event.computed_hash())));
    assert!(events.windows(2).all(|pair| pair[1].previous_hash == pair[0].hash));

    let now = verify_log(&*store, &scope, &LogCheck::default(), &mut |_| {}).await.unwrap().checkpoint().clone();
    assert_eq!(now.size, 3);
    create(&*store, organization.id).await;
    let later = verify_log(&*store, &scope, &extends(&now), &mut |_| {}).await.unwrap();
    let later = later.checkpoint().clone();
    assert_eq!(later.size, 4);
    let longer = altered!(later.clone(), size: 5);
    let cut = verify_log(&*store, &scope, &extends(&longer), &mut |_| {}).await;
    assert!(matches!(cut, Err(LogError::Truncated { size: 5, events: 4 })), "{cut:?}");
    let other = altered!(now, root: later.root);
    let rewritten = verify_log(&*store, &scope, &extends(&other), &mut |_| {}).await;
    assert!(matches!(rewritten, Err(LogError::Rewritten(3))), "{rewritten:?}");
}

pub(super) async fn an_event_names_the_incarnation_that_wrote_it(store: Arc<dyn Store>) {
    let (organization, key, _) = provision(&*store).await;
    let nil = (OrganizationId::INSTALLATION, Environment::Production);
    // The store's own number applies, or the last number known from elsewhere.
    for (last, begun) in [(1, 2), (1, 3), (7, 8)] {
        let restored = event(Action::StoreRestored, nil.0, nil.1, "the store");
        assert_eq!(store.begin_incarnation(Incarnation(last), restored).await.unwrap(), Incarnation(begun));
    }
    let staged = Change::Stage { key: reference(&key), secret: secret(2, SecretState::Staged) };
    store.change(staged, context(Action::AccessKeyStaged, &key)).await.unwrap();
    let ids = async |organization| {
        let events = log(&*store, organization, Environment::Production).await;
        events.iter().map(|event| (event.incarnation.0, event.uid())).collect::<Vec<_>>()
    };
    let name = format!("doorward/{}/production", organization.id);
    assert_eq!(ids(organization.id).await, [(8, format!("{name}/8/2")), (1, format!("{name}/1"))]);
    let name = format!("doorward/{}/production", nil.0);
    let restores = [(8, format!("{name}/8/3")), (3, format!("{name}/3/2")), (2, format!("{name}/2/1"))];
    assert_eq!(ids(nil.0).await, restores);

    // The hashes cover the incarnation, and a checkpoint names it.
    let scope = Scope::assertion(organization.id, Environment::Production);
    let whole = verify_log(&*store, &scope, &LogCheck::default(), &mut |_| {}).await.unwrap().checkpoint().clone();
    assert_eq!(whole.incarnation, Incarnation(8));
    let lost = altered!(whole, root: Hash([7; 32]), incarnation: Incarnation::FIRST);
    for lost in [lost.clone(), altered!(lost, size: 9)] {
        let restored = verify_log(&*store, &scope, &extends(&lost), &mut |_| {}).await;
        assert!(matches!(restored, Err(LogError::Restored { incarnation: Incarnation(8), .. })), "{restored:?}");
    }
    let shipped = store.events_after(0, 10).await.unwrap();
    let shipped: Vec<_> = shipped.into_iter().map(|shipment| shipment.event.unwrap().incarnation.0).collect();
    assert_eq!(shipped, [1, 2, 3, 8, 8]);
}

pub(super) async fn events_are_found_by_their_fields(store: Arc<dyn Store>) {
    let organization = OrganizationId::new(seed());
    let scope = Scope::assertion(organization, Environment::Test);
    for number in 0..6 {
        let action = if number % 2 == 0 { Action::AccessKeyCreated } else { Action::AccessKeyDeleted };
        let draft = event(action, organization, Environment::Test, if number < 3 { "key_1" } else { "key_2" });
        let actor = name(if number < 4 { "ada" } else { "'; DROP TABLE --" });
        store.record(altered!(draft, time: Timestamp::from_millis(number), actor: actor)).await.unwrap();
    }
    let found = async |filter: EventFilter, page| -> Vec<u64> {
        store.events(&scope, &filter, page).await.unwrap().into_iter().map(|event| event.sequence).collect()
    };
    let (all, any) = (Page::first(10), EventFilter::default());
    let at = |millis| Some(Timestamp::from_millis(millis));
    assert_eq!(found(any.clone(), all).await, [6, 5, 4, 3, 2, 1]);
    assert_eq!(found(EventFilter { since: at(2), until: at(5), ..any.clone() }, all).await, [5, 4, 3]);
    assert_eq!(found(EventFilter { action: Some(Action::AccessKeyDeleted), ..any.clone() }, all).await, [6, 4, 2]);
    assert_eq!(found(EventFilter { actor: Some(name("'; DROP TABLE --")), ..any.clone() }, all).await, [6, 5]);
    assert_eq!(found(EventFilter { actor: Some(name("eve")), ..any.clone() }, all).await, [0; 0]);
    for (part, sequences) in
        [("D", &[6, 5, 4, 3, 2, 1][..]), ("ada", &[4, 3, 2, 1]), ("DROP table", &[6, 5]), ("%", &[]), ("_", &[])]
    {
        assert_eq!(found(EventFilter { actor_part: Some(part.into()), ..any.clone() }, all).await, sequences, "{part}");
    }
    let second = EventFilter { subject: Some("key_2".into()), ..any.clone() };
    assert_eq!(found(second.clone(), all).await, [6, 5, 4]);
    assert_eq!(found(second.clone(), Page { after: Some(6), limit: 1 }).await, [5]);
    assert_eq!(found(EventFilter { since: at(4), actor: Some(name("ada")), ..second }, all).await, [0; 0]);
    assert!(verify_log(&*store, &scope, &LogCheck::default(), &mut |_| {}).await.is_ok());
}

/// A log of events about one key, with the statements for its pruned events.
pub(super) struct PrunedLog {
    pub(super) store: Arc<dyn Store>,
    scope: Scope,
    log: String,
    key: NoteKey,
}

impl PrunedLog {
    pub(super) async fn of(store: Arc<dyn Store>, events: usize) -> Self {
        let scope = Scope::assertion(OrganizationId::new(seed()), Environment::Test);
        let log = Checkpoint::origin_of(scope.organization(), scope.environment());
        let made = Self { store, scope, log, key: NoteKey::from_seed(&[7; 32].into()) };
        for _ in 0..events {
            made.store.record(made.draft(Action::AccessKeyCreated, "key_1")).await.unwrap();
        }
        made
    }

    fn draft(&self, action: Action, subject: &str) -> EventDraft {
        event(action, self.scope.organization(), self.scope.environment(), subject)
    }

    /// Returns the statement for the first events after their prune.
    pub(super) async fn statement(&self, size: u32) -> Pruned {
        let mut chain = match self.store.pruned(&self.scope).await.unwrap() {
            Some(before) => before.verifier(&self.log, &[self.verifier()]).unwrap(),
            None => ChainVerifier::default(),
        };
        for event in self.store.chain(&self.scope, Page::first(size)).await.unwrap() {
            chain.follow(&event.unwrap()).unwrap();
        }
        chain.prune(&self.log, &self.key).unwrap().unwrap()
    }

    pub(super) async fn prune(&self, pruned: Pruned) -> Result<(), StoreError> {
        let told = self.draft(Action::AuditLogPruned, &Pruned::subject(&self.log, pruned.size));
        self.store.prune(&self.scope, pruned, told).await
    }

    fn verifier(&self) -> NoteVerifier {
        self.key.verifier(&self.log)
    }

    async fn verify(&self, check: LogCheck<'_>) -> Result<VerifiedLog, LogError> {
        verify_log(&*self.store, &self.scope, &check, &mut |_| {}).await
    }

    async fn sequences(&self) -> Vec<u64> {
        let left = log(&*self.store, self.scope.organization(), self.scope.environment()).await;
        left.iter().map(|event| event.sequence).collect()
    }
}

pub(super) async fn a_prune_replaces_the_beginning_of_a_log_by_a_statement(store: Arc<dyn Store>) {
    let log = PrunedLog::of(store, 5).await;
    let (mine, foreign) = ([log.verifier()], [NoteKey::from_seed(&[8; 32].into()).verifier(&log.log)]);
    let whole = log.verify(LogCheck::default()).await.unwrap();
    let pruned = log.statement(3).await;
    assert_eq!(log.store.pruned(&log.scope).await.unwrap(), None);
    let other = altered!(pruned.clone(), last_hash: Hash([1; 32]));
    assert_eq!(conflict(log.prune(other).await), Conflict::Stale);
    assert_eq!(log.sequences().await.len(), 5);

    log.prune(pruned.clone()).await.unwrap();
    assert_eq!(log.store.pruned(&log.scope).await.unwrap(), Some(pruned.clone()));
    assert_eq!(log.sequences().await, [6, 5, 4]);
    // The log verifies as before, and still extends its intact form. Without a key, nothing is proved or signed.
    for (keys, is_proved) in [(&[][..], false), (&mine, true)] {
        let check = LogCheck::default().with_earlier(whole.checkpoint()).with_keys(keys);
        let verified = log.verify(check).await.unwrap();
        assert_eq!((verified.size(), verified.pruned(), verified.is_proved()), (6, 3, is_proved));
        assert_eq!(verified.sign(&log.key).is_ok(), is_proved);
    }
    let unsigned = log.verify(LogCheck::default().with_keys(&foreign)).await;
    assert!(matches!(unsigned, Err(LogError::Pruned(PrunedError::Unsigned(3)))), "{unsigned:?}");
    let before = altered!(whole.checkpoint().clone(), size: 2);
    let beyond = log.verify(extends(&before)).await;
    assert!(matches!(beyond, Err(LogError::PrunedBeyond(3))), "{beyond:?}");

    // A second prune starts from the first.
    log.prune(log.statement(2).await).await.unwrap();
    assert_eq!(log.sequences().await, [7, 6]);
    let verified = log.verify(extends(whole.checkpoint()).with_keys(&mine)).await.unwrap();
    assert_eq!((verified.size(), verified.pruned(), verified.is_proved()), (7, 5, true));
    let place = (log.scope.organization(), log.scope.environment());
    assert_eq!(log.store.logs().await.unwrap(), [place]);
}

/// A prune counts only if an event records it.
pub(super) async fn a_prune_without_its_event_is_a_deletion(store: Arc<dyn Store>) {
    let log = PrunedLog::of(store, 4).await;
    let mine = [log.verifier()];
    let pruned = log.statement(3).await;
    let other = log.draft(Action::AuditLogPruned, &Pruned::subject(&log.log, 2));
    log.store.prune(&log.scope, pruned, other).await.unwrap();
    for keys in [&[][..], &mine] {
        let untold = log.verify(LogCheck::default().with_keys(keys)).await;
        assert!(matches!(untold, Err(LogError::Pruned(PrunedError::Untold(3)))), "{untold:?}");
    }
}

pub(super) async fn a_prune_statement_is_signed_again(store: Arc<dyn Store>) {
    let log = PrunedLog::of(store, 3).await;
    let told = || log.draft(Action::AuditLogResigned, &log.log);
    let first = log.statement(2).await;
    assert_eq!(conflict(log.store.resign(&first, first.clone(), told()).await), Conflict::Stale);
    log.prune(first.clone()).await.unwrap();
    let next = NoteKey::from_seed(&[9; 32].into());
    let both = first.signed_again(&log.log, &next).unwrap();
    log.store.resign(&first, both.clone(), told()).await.unwrap();
    assert_eq!(log.store.pruned(&log.scope).await.unwrap(), Some(both.clone()));
    for key in [log.verifier(), next.verifier(&log.log)] {
        let verified = log.verify(LogCheck::default().with_keys(&[key])).await.unwrap();
        assert_eq!((verified.size(), verified.is_proved()), (5, true));
    }
    // Another request was faster: nothing is written, and no event.
    assert_eq!(conflict(log.store.resign(&first, first.clone(), told()).await), Conflict::Stale);
    assert_eq!(log.store.pruned(&log.scope).await.unwrap(), Some(both));
    assert_eq!(log.sequences().await, [5, 4, 3]);
}

pub(super) async fn a_log_that_must_exist_is_known(store: Arc<dyn Store>) {
    assert_eq!(known_logs(&*store).await.unwrap(), BTreeMap::new());
    let (organization, ..) = provision(&*store).await;
    let (production, test) = ((organization.id, Environment::Production), (organization.id, Environment::Test));
    assert_eq!(known_logs(&*store).await.unwrap(), BTreeMap::from([(production, true)]));
    // A log that must have events cannot be empty, and cannot begin with another event.
    let check = LogCheck::default().with_must_have_events(true);
    let verify = async |scope| verify_log(&*store, &scope, &check, &mut |_| {}).await;
    let [scope, of_tests] =
        [production, test].map(|(organization, environment)| Scope::assertion(organization, environment));
    assert_eq!(verify(scope).await.unwrap().size(), 1);
    assert!(matches!(verify(of_tests).await, Err(LogError::Missing)));
    let elsewhere = OrganizationId::new(seed());
    store.record(event(Action::AuditLogExported, elsewhere, Environment::Production, "x")).await.unwrap();
    assert!(matches!(verify(Scope::assertion(elsewhere, Environment::Production)).await, Err(LogError::Begun)));
    let elsewhere = ((elsewhere, Environment::Production), false);
    create(&*store, organization.id).await;
    assert_eq!(known_logs(&*store).await.unwrap(), BTreeMap::from([(production, true), (test, true), elsewhere]));
    let installation = (OrganizationId::INSTALLATION, Environment::Production);
    store.record(event(Action::StoreRestored, installation.0, installation.1, "x")).await.unwrap();
    assert!(!known_logs(&*store).await.unwrap()[&installation]);
    let made = event(Action::OperatorCreated, installation.0, installation.1, "op_1");
    let (id, created_at) = (OperatorId::new(seed()), Timestamp::from_millis(1));
    let (digest, provider) = (Digest::from_bytes([1; 32]), ProviderAccess::Local);
    let ada = Operator::new(id, name("ada"), locator(), digest, created_at, provider);
    store.add_operator(ada, made).await.unwrap();
    assert!(known_logs(&*store).await.unwrap()[&installation]);
}

fn extends(earlier: &Checkpoint) -> LogCheck<'_> {
    LogCheck::default().with_earlier(earlier)
}
