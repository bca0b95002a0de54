//! Polls, sessions, loading, and uses.

use std::sync::Arc;
use std::time::Duration;

use doorward_audit::Action;
use doorward_key::Digest;
use doorward_records::Store;
use doorward_store::{
    ActiveSecret, CHANGE_LOG_LENGTH, Change, ChangeContext, Knowledge, LostChange, NodeDescription, OperationId, Poll,
    Position, Revision, Secret, SecretUsage, Session, StoreError, Successor, USAGE_BUCKET, USAGE_RETENTION,
};
use doorward_types::{Environment, Incarnation, OrganizationId, SecretState, SessionId, Timestamp, altered};

use crate::fixtures::{
    Keys, access_key, active_secret, context, create, event, locator, log, operation, poll, provision, reference,
    register, secret, seed, sessions,
};

pub(super) async fn every_change_is_polled_once_and_in_order(store: Keys) {
    let session = register(&*store).await;
    let (organization, key, first) = provision(&*store).await;
    let (_, test_secret) = create(&*store, organization.id).await;
    let Poll::UpToDate { position: Position { revision, .. }, changes, acknowledgement_wanted, .. } =
        poll(&*store, session, Position::default()).await
    else {
        panic!("not current")
    };
    assert_eq!(revision, Revision(2));
    assert!(acknowledgement_wanted);
    let mut seen: Vec<_> = changes.iter().map(|change| (change.locator, change.live.is_some())).collect();
    seen.sort_unstable();
    let mut expected = vec![(first.locator, true), (test_secret.locator, true)];
    expected.sort_unstable();
    assert_eq!(seen, expected);
    let production = changes.into_iter().find(|change| change.locator == first.locator).unwrap().live.unwrap();
    let expected = ActiveSecret::new(first, key.clone(), organization.name.clone());
    assert_eq!(&production, &altered!(expected, organization_state: organization.state));

    assert_eq!(active_secret(&*store, first.locator).await, Some(production));
    assert_eq!(active_secret(&*store, locator()).await, None);

    let before = store.position().await.unwrap().proved_of_any_store().unwrap().1;
    let fresh = secret(2, SecretState::Current);
    let change =
        Change::Regenerate { key: reference(&key), retired: vec![first.locator], successor: Successor::Fresh(fresh) };
    let context = context(Action::AccessKeyRegenerated, &key);
    let operation = context.operation;
    assert_eq!(store.change(change, context).await.unwrap().revision, Revision(3));
    let Poll::UpToDate { position, changes, .. } = poll(&*store, session, before).await else { panic!("not current") };
    assert_eq!(position, Position { revision: Revision(3), operation });
    assert_eq!(store.position().await.unwrap().proved_of_any_store().unwrap().1, position);
    assert_eq!(changes.len(), 2);
    for change in changes {
        assert_eq!(change.live.map(|live| live.secret), (change.locator == fresh.locator).then_some(fresh));
    }
    assert_eq!(
        poll(&*store, session, position).await,
        Poll::UpToDate { position, changes: vec![], origins: vec![], acknowledgement_wanted: false }
    );
}

pub(super) async fn a_poll_reports_whether_another_process_waits(store: Keys) {
    let (organization, ..) = provision(&*store).await;
    let (mine, other) = (register(&*store).await, register(&*store).await);
    let start = store.position().await.unwrap().proved_of_any_store().unwrap().1;
    let key = access_key(organization.id, Environment::Test);
    let change = Change::Create { key: key.clone(), secret: secret(1, SecretState::Current) };
    let context = ChangeContext { node: Some(mine), ..context(Action::AccessKeyCreated, &key) };
    store.change(change, context).await.unwrap();
    let wanted = async |session, since| match poll(&*store, session, since).await {
        Poll::UpToDate { acknowledgement_wanted, .. } => acknowledgement_wanted,
        other => panic!("{other:?}"),
    };
    assert!(!wanted(mine, start).await);
    assert!(wanted(other, start).await);
    create(&*store, organization.id).await;
    assert!(wanted(mine, start).await);
}

pub(super) async fn a_poll_tells_a_session_that_it_must_acknowledge(store: Keys) {
    let session = register(&*store).await;
    provision(&*store).await;
    let position = store.position().await.unwrap().proved_of_any_store().unwrap().1;
    let wanted = async || match poll(&*store, session, position).await {
        Poll::UpToDate { acknowledgement_wanted, .. } => acknowledgement_wanted,
        other => panic!("{other:?}"),
    };
    assert!(!wanted().await);
    store.ask(position.revision).await.unwrap();
    assert!(wanted().await);
    assert_eq!(sessions(&*store).await[0].asked, Some(position.revision));
    store.acknowledge(session, position).await.unwrap();
    assert!(!wanted().await);
    store.ask(Revision(0)).await.unwrap();
    assert!(!wanted().await);
}

pub(super) async fn a_change_names_the_longest_lease_from_before_it(store: Keys) {
    let (organization, ..) = provision(&*store).await;
    let longest = async || {
        let key = access_key(organization.id, Environment::Test);
        let change = Change::Create { key: key.clone(), secret: secret(1, SecretState::Current) };
        store.change(change, context(Action::AccessKeyCreated, &key)).await.unwrap().longest_lease
    };
    let of = |seconds| Session { id: SessionId::new(seed()), lease: Duration::from_secs(seconds) };
    store.register(of(2)).await.unwrap();
    assert_eq!(longest().await, Duration::from_secs(2));
    let long = of(7);
    store.register(long).await.unwrap();
    store.register(of(3)).await.unwrap();
    assert_eq!(longest().await, Duration::from_secs(7));
    // A removed session may have left a lease behind.
    store.remove(&[long.id]).await.unwrap();
    assert_eq!(longest().await, Duration::from_secs(7));
}

pub(super) async fn a_node_describes_itself_while_it_is_registered(store: Arc<dyn Store>) {
    let (first, second) = (register(&*store).await, register(&*store).await);
    let describe = async |session, host: &str| {
        let at = Timestamp::from_millis(1_800_000_000_000);
        let description = NodeDescription::new(host.parse().unwrap(), "doorward-server 1.2.3".parse().unwrap(), at);
        store.describe(session, &description).await.unwrap();
        description
    };
    let nodes = async || store.nodes().await.unwrap().proved_of_any_store().unwrap().1;
    describe(first, "old name").await;
    let described = describe(first, "kiel").await;
    let found = nodes().await;
    assert_eq!(found.iter().map(|node| node.status).collect::<Vec<_>>(), sessions(&*store).await);
    let of = |session| found.iter().find(|node| node.status.session.id == session).unwrap();
    assert_eq!(of(first).description.as_ref(), Some(&described));
    assert!(of(first).store_time.is_some() && of(first).clock_ahead_millis().is_some());
    assert_eq!((&of(second).description, of(second).clock_ahead_millis()), (&None, None));
    store.remove(&[first]).await.unwrap();
    describe(first, "kiel").await;
    assert_eq!(nodes().await.len(), 1);
}

pub(super) async fn a_restored_store_begins_an_incarnation(store: Arc<dyn Store>) {
    let session = register(&*store).await;
    provision(&*store).await;
    let position = store.position().await.unwrap().proved_of_any_store().unwrap().1;
    let (before, identity) = store.identity().await.unwrap().proved_of_any_store().unwrap();
    assert_eq!((before.incarnation, identity.incarnation), (Incarnation::FIRST, Incarnation::FIRST));
    let later = Position { revision: Revision(position.revision.0 + 1), operation: operation() };
    store.report_lost(later).await.unwrap();
    let nil = OrganizationId::INSTALLATION;
    let restored = event(Action::StoreRestored, nil, Environment::Production, "2");
    assert_eq!(store.begin_incarnation(Incarnation::FIRST, restored).await.unwrap(), Incarnation(2));
    let told = log(&*store, nil, Environment::Production).await;
    assert_eq!(told.iter().map(|event| event.incarnation).collect::<Vec<_>>(), [Incarnation(2)]);
    // A lost change stays lost until its dead keys are dead again, and until an operator accepts the loss.
    assert_eq!(store.lost_changes().await.unwrap(), [LostChange::new(later, false)]);
    assert!(matches!(poll(&*store, session, position).await, Poll::Diverged { change, .. } if change == later));
    store.accept_lost(&[later], event(Action::LostChangeAccepted, nil, Environment::Production, "2")).await.unwrap();
    // A node from before the loss reloads everything. A node that starts now does not.
    let polled = store.poll(session, later).await.unwrap();
    assert_eq!(polled.provenance().incarnation, Incarnation(2));
    let knowledge = Knowledge { store: identity.id, incarnation: Incarnation::FIRST, position: later };
    assert_eq!(knowledge.judge(polled).unwrap(), Poll::ResyncRequired);
    assert!(matches!(poll(&*store, session, position).await, Poll::UpToDate { .. }));
}

pub(super) async fn a_retired_session_is_notified_and_stays_listed(store: Keys) {
    let session = register(&*store).await;
    let other = register(&*store).await;
    let status = async |id| sessions(&*store).await.into_iter().find(|status| status.session.id == id);
    let fresh = status(session).await.unwrap();
    assert_eq!((fresh.acknowledged, fresh.retired, fresh.session.lease), (None, false, Duration::from_secs(3)));
    let (organization, ..) = provision(&*store).await;
    let at = async || store.position().await.unwrap().proved_of_any_store().unwrap().1;
    let first = at().await;
    create(&*store, organization.id).await;
    let second = at().await;
    store.acknowledge(session, second).await.unwrap();
    store.acknowledge(session, first).await.unwrap();
    assert_eq!(status(session).await.unwrap().acknowledged, Some(second.revision));
    // An acknowledgement from another history, with the same or a later number, does not count for this history.
    store.acknowledge(other, Position { operation: operation(), ..second }).await.unwrap();
    let later = Position { revision: Revision(second.revision.0 + 1), operation: operation() };
    store.acknowledge(other, later).await.unwrap();
    store.acknowledge(other, Position { operation: OperationId::default(), ..later }).await.unwrap();
    assert_eq!(status(other).await.unwrap().acknowledged, None);

    store.retire(&[session]).await.unwrap();
    assert!(status(session).await.unwrap().retired);
    assert_eq!(poll(&*store, session, second).await, Poll::Retired);
    assert!(matches!(poll(&*store, other, second).await, Poll::UpToDate { .. }));

    store.remove(&[session]).await.unwrap();
    assert_eq!(status(session).await, None);
    assert_eq!(poll(&*store, session, Position::default()).await, Poll::Retired);
    store.acknowledge(session, second).await.unwrap();
    assert_eq!(status(session).await, None);
    assert!(status(other).await.is_some());
}

pub(super) async fn a_node_too_far_behind_reloads(store: Keys) {
    let session = register(&*store).await;
    let (organization, key, _) = provision(&*store).await;
    let reference = reference(&key);
    let mut positions = vec![store.position().await.unwrap().proved_of_any_store().unwrap().1];
    for generation in 2.. {
        if positions.len() > CHANGE_LOG_LENGTH {
            break;
        }
        let staged = altered!(secret(generation, SecretState::Staged), digest: Digest::from_bytes([1; 32]));
        let stage = Change::Stage { key: reference, secret: staged };
        let unstage = Change::Unstage { key: reference, staged: staged.locator };
        for (change, action) in [(stage, Action::AccessKeyStaged), (unstage, Action::AccessKeyStageDiscarded)] {
            let context = context(action, &key);
            let operation = context.operation;
            let revision = store.change(change, context).await.unwrap().revision;
            positions.push(Position { revision, operation });
        }
    }
    let newest = store.position().await.unwrap().proved_of_any_store().unwrap().1;
    assert_eq!(positions.last(), Some(&newest));
    let reach = positions[positions.len() - 1 - CHANGE_LOG_LENGTH];
    let beyond = Position { revision: Revision(reach.revision.0 - 1), ..reach };
    assert_eq!(poll(&*store, session, beyond).await, Poll::ResyncRequired);
    assert!(matches!(poll(&*store, session, reach).await, Poll::UpToDate { .. }));
    if let Some(events) = store.events(organization.id, Environment::Production).await {
        assert_eq!(events.len(), 1_000);
    }
}

/// A node that knows a change that the store lacks must stop, and so must all other nodes.
pub(super) async fn a_lost_change_is_reported_until_an_operator_accepts_it(store: Arc<dyn Store>) {
    let (session, other) = (register(&*store).await, register(&*store).await);
    provision(&*store).await;
    let newest = store.position().await.unwrap().proved_of_any_store().unwrap().1;
    let later = Position { revision: Revision(newest.revision.0 + 1), operation: operation() };
    let instead = Position { revision: newest.revision, operation: operation() };
    let lost = |change| Poll::Diverged { change, newest };
    assert!(matches!(poll(&*store, session, newest).await, Poll::UpToDate { .. }));
    assert_eq!(poll(&*store, session, later).await, lost(later));
    assert_eq!(poll(&*store, session, instead).await, lost(instead));
    // The change is not lost before a node reports it.
    assert!(matches!(poll(&*store, other, newest).await, Poll::UpToDate { .. }));

    store.report_lost(later).await.unwrap();
    store.report_lost(later).await.unwrap();
    assert_eq!(store.lost_changes().await.unwrap(), [LostChange::new(later, false)]);
    assert_eq!(poll(&*store, other, newest).await, lost(later));
    assert_eq!(poll(&*store, other, Position::default()).await, lost(later));
    assert_eq!(poll(&*store, session, later).await, lost(later));

    let nil = OrganizationId::INSTALLATION;
    let accepted = || event(Action::LostChangeAccepted, nil, Environment::Production, "2");
    store.accept_lost(&[later], accepted()).await.unwrap();
    assert_eq!(store.lost_changes().await.unwrap(), [LostChange::new(later, true)]);
    assert_eq!(log(&*store, nil, Environment::Production).await.len(), 1);
    assert!(matches!(poll(&*store, other, newest).await, Poll::UpToDate { .. }));
    assert_eq!(poll(&*store, session, later).await, Poll::ResyncRequired);
    // An accepted loss stays accepted; another loss is new.
    store.report_lost(later).await.unwrap();
    assert!(matches!(poll(&*store, other, newest).await, Poll::UpToDate { .. }));
    assert!(matches!(store.accept_lost(&[later], accepted()).await, Err(StoreError::NotFound)));
    assert_eq!(log(&*store, nil, Environment::Production).await.len(), 1);
    assert_eq!(poll(&*store, session, instead).await, lost(instead));
    // An unseen loss cannot be accepted.
    store.report_lost(instead).await.unwrap();
    assert!(matches!(store.accept_lost(&[later], accepted()).await, Err(StoreError::NotFound)));
    assert_eq!(poll(&*store, other, newest).await, lost(instead));
    store.accept_lost(&[later, instead], accepted()).await.unwrap();
    assert!(matches!(poll(&*store, other, newest).await, Poll::UpToDate { .. }));
}

pub(super) async fn active_secrets_come_in_pages(store: Keys) {
    let mut expected = Vec::new();
    for _ in 0..3 {
        let (organization, key, first) = provision(&*store).await;
        let staged = secret(2, SecretState::Staged);
        let stage = Change::Stage { key: reference(&key), secret: staged };
        store.change(stage, context(Action::AccessKeyStaged, &key)).await.unwrap();
        let (_, test) = create(&*store, organization.id).await;
        expected.extend([first.locator, staged.locator, test.locator]);
    }
    expected.sort_unstable();
    for limit in [1, 2, 4, 100] {
        let mut seen = Vec::new();
        let mut last: Option<ActiveSecret> = None;
        loop {
            let page = store.active_secrets(last.as_ref(), limit).await.unwrap().proved_of_any_store().unwrap().1;
            seen.extend(page.iter().map(|live| live.secret.locator));
            match page.into_iter().next_back() {
                Some(live) => last = Some(live),
                None => break,
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, expected, "{limit} a page");
    }
}

pub(super) async fn uses_are_added_up_per_secret_and_hour(store: Arc<dyn Store>) {
    let (organization, key, production) = provision(&*store).await;
    let (other, ..) = provision(&*store).await;
    let (_, test) = create(&*store, organization.id).await;
    let start = Timestamp::from_millis(1_800_000_000_000);
    assert_eq!(store.usage(organization.id, start).await.unwrap(), []);
    store.add_uses(&[(production.locator, 5), (locator(), 9)], start).await.unwrap();
    store.add_uses(&[(production.locator, 2), (test.locator, 1)], start + USAGE_BUCKET).await.unwrap();
    store.add_uses(&[], start + USAGE_BUCKET).await.unwrap();
    let of = async |now: Timestamp| {
        let mut usage = store.usage(organization.id, now).await.unwrap();
        usage.sort_unstable_by_key(|usage| usage.locator != production.locator);
        usage.into_iter().map(|usage| (usage.locator, usage.last_used_at, usage.uses_last_hour)).collect::<Vec<_>>()
    };
    let later = start + USAGE_BUCKET;
    assert_eq!(of(later).await, [(production.locator, later, 7), (test.locator, later, 1)]);
    let spans = async |now: Timestamp| {
        let found = store.recent_uses(organization.id, now).await.unwrap();
        assert!(found.is_sorted(), "by secret, then by time");
        let first = SecretUsage::span(start);
        let of = |secret: Secret| found.iter().filter(move |span| span.locator == secret.locator);
        [production, test].map(|secret| of(secret).map(|found| (found.span - first, found.uses)).collect::<Vec<_>>())
    };
    assert_eq!(spans(later).await, [vec![(0, 5), (1, 2)], vec![(1, 1)]]);
    assert_eq!(spans(later + USAGE_RETENTION).await, [vec![(1, 2)], vec![(1, 1)]], "a day later, the first is too old");
    assert_eq!(store.recent_uses(other.id, later).await.unwrap(), []);
    // An hour later the counts are gone, but the time of the last use remains.
    let hour = start + USAGE_BUCKET * 8;
    assert_eq!(of(hour).await, [(production.locator, later, 0), (test.locator, later, 0)]);
    assert_eq!(store.usage(other.id, later).await.unwrap(), []);
    // A late count does not move the last use back.
    store.add_uses(&[(production.locator, 1)], start).await.unwrap();
    assert_eq!(of(later).await, [(production.locator, later, 8), (test.locator, later, 1)]);
    // A dead secret has no usage.
    let fresh = Successor::Fresh(secret(2, SecretState::Current));
    let change = Change::Regenerate { key: reference(&key), retired: vec![production.locator], successor: fresh };
    store.change(change, context(Action::AccessKeyRegenerated, &key)).await.unwrap();
    assert_eq!(of(later).await, [(test.locator, later, 1)]);
}
