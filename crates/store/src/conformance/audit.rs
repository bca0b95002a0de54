//! The audit logs.

use super::*;

pub(super) async fn logs_are_apart(store: Arc<dyn Store>) {
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

pub(super) async fn every_event_follows_the_one_before(store: Arc<dyn Store>) {
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

    let now = verify_log(&*store, &scope, None, None, &mut |_| {}).await.unwrap();
    assert_eq!(now.size, 3);
    create(&*store, organization.id).await;
    let later = verify_log(&*store, &scope, Some(&now), None, &mut |_| {}).await.unwrap();
    assert_eq!(later.size, 4);
    let longer = Checkpoint { size: 5, ..later.clone() };
    let cut = verify_log(&*store, &scope, Some(&longer), None, &mut |_| {}).await;
    assert!(matches!(cut, Err(LogFault::Truncated { size: 5, events: 4 })), "{cut:?}");
    let other = Checkpoint { root: later.root, ..now };
    let rewritten = verify_log(&*store, &scope, Some(&other), None, &mut |_| {}).await;
    assert!(matches!(rewritten, Err(LogFault::Rewritten(3))), "{rewritten:?}");
}

pub(super) async fn an_event_names_the_incarnation_that_wrote_it(store: Arc<dyn Store>) {
    let (organization, key, _) = provision(&*store).await;
    let nil = (OrganizationId::INSTALLATION, Environment::Production);
    // After the store's own, and after the last one that is known from elsewhere.
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

    // The hashes cover it, and a checkpoint names it.
    let scope = Scope::assertion(organization.id, Environment::Production);
    let whole = verify_log(&*store, &scope, None, None, &mut |_| {}).await.unwrap();
    assert_eq!(whole.incarnation, Incarnation(8));
    let lost = Checkpoint { root: Hash([7; 32]), incarnation: Incarnation::FIRST, ..whole };
    for lost in [lost.clone(), Checkpoint { size: 9, ..lost }] {
        let restored = verify_log(&*store, &scope, Some(&lost), None, &mut |_| {}).await;
        assert!(matches!(restored, Err(LogFault::Restored { incarnation: Incarnation(8), .. })), "{restored:?}");
    }
    let shipped = store.events_after(0, 10).await.unwrap();
    let shipped: Vec<_> = shipped.into_iter().map(|shipment| shipment.event.unwrap().incarnation.0).collect();
    assert_eq!(shipped, [1, 2, 3, 8, 8]);
}

pub(super) async fn events_are_found_by_what_they_say(store: Arc<dyn Store>) {
    let organization = OrganizationId::new(seed());
    let scope = Scope::assertion(organization, Environment::Test);
    for number in 0..6 {
        let action = if number % 2 == 0 { Action::AccessKeyCreated } else { Action::AccessKeyDeleted };
        let draft = event(action, organization, Environment::Test, if number < 3 { "key_1" } else { "key_2" });
        let actor = name(if number < 4 { "ada" } else { "'; DROP TABLE --" });
        store.record(EventDraft { time: Timestamp::from_millis(number), actor, ..draft }).await.unwrap();
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
    let second = EventFilter { subject: Some("key_2".into()), ..any.clone() };
    assert_eq!(found(second.clone(), all).await, [6, 5, 4]);
    assert_eq!(found(second.clone(), Page { after: Some(6), limit: 1 }).await, [5]);
    assert_eq!(found(EventFilter { since: at(4), actor: Some(name("ada")), ..second }, all).await, [0; 0]);
    assert!(verify_log(&*store, &scope, None, None, &mut |_| {}).await.is_ok());
}

pub(super) async fn the_beginning_of_a_log_is_cut_off_under_a_checkpoint(store: Arc<dyn Store>) {
    let organization = OrganizationId::new(seed());
    let scope = Scope::assertion(organization, Environment::Test);
    let draft = || event(Action::AccessKeyCreated, organization, Environment::Test, "key_1");
    let mut tree = Tree::default();
    for _ in 0..5 {
        store.record(draft()).await.unwrap();
    }
    let whole = verify_log(&*store, &scope, None, None, &mut |_| {}).await.unwrap();
    let chain = store.chain(&scope, Page::first(3)).await.unwrap();
    let hashes: Vec<Hash> = chain.into_iter().map(|event| event.unwrap().hash.unwrap()).collect();
    hashes.iter().for_each(|hash| tree.push(*hash));
    let key = NoteKey::from_seed(&[7; 32].into());
    let checkpoint = Checkpoint { size: 3, root: tree.root(), ..whole.clone() };
    let pruned =
        Pruned { size: 3, last_hash: hashes[2], peaks: tree.peaks().to_vec(), checkpoint: checkpoint.sign(&key) };
    assert_eq!(store.pruned(&scope).await.unwrap(), None);
    let other = Pruned { last_hash: hashes[1], ..pruned.clone() };
    let stale = store.prune(&scope, other, draft()).await;
    assert_eq!(stale.map_err(|error| error.to_string()), Err(StoreError::from(Conflict::Stale).to_string()));
    assert_eq!(log(&*store, organization, Environment::Test).await.len(), 5);

    store.prune(&scope, pruned.clone(), draft()).await.unwrap();
    assert_eq!(store.pruned(&scope).await.unwrap(), Some(pruned.clone()));
    let left = log(&*store, organization, Environment::Test).await;
    assert_eq!(left.iter().map(|event| event.sequence).collect::<Vec<_>>(), [6, 5, 4]);
    // Verified as before, with the key or without; and it still extends what was whole.
    let mine = key.verifier(&whole.origin);
    for key in [None, Some(&mine)] {
        assert_eq!(verify_log(&*store, &scope, Some(&whole), key, &mut |_| {}).await.unwrap().size, 6);
    }
    let foreign = NoteKey::from_seed(&[8; 32].into()).verifier(&whole.origin);
    let unsigned = verify_log(&*store, &scope, None, Some(&foreign), &mut |_| {}).await;
    assert!(matches!(unsigned, Err(LogFault::Pruned(_))), "{unsigned:?}");
    let before = Checkpoint { size: 2, ..checkpoint };
    let beyond = verify_log(&*store, &scope, Some(&before), None, &mut |_| {}).await;
    assert!(matches!(beyond, Err(LogFault::PrunedBeyond(3))), "{beyond:?}");
}
