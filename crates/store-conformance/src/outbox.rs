//! Shipping events elsewhere.

use std::sync::Arc;

use doorward_audit::{Action, Event};
use doorward_records::Store;
use doorward_store::Conflict;
use doorward_types::{Environment, OrganizationId, SessionId, Timestamp, altered};

use crate::audit::PrunedLog;
use crate::fixtures::{conflict, create, event, name, provision, seed};

pub(super) async fn events_are_shipped_in_the_order_of_their_writing(store: Arc<dyn Store>) {
    assert_eq!(store.events_after(0, 10).await.unwrap(), []);
    let (organization, ..) = provision(&*store).await;
    create(&*store, organization.id).await;
    let (other, ..) = provision(&*store).await;
    create(&*store, organization.id).await;
    let shipped = store.events_after(0, 10).await.unwrap();
    assert_eq!(shipped.iter().map(|shipment| shipment.position).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let events: Vec<Event> = shipped.iter().map(|shipment| shipment.event.clone().unwrap()).collect();
    let places: Vec<_> =
        events.iter().map(|event| (event.draft.organization, event.draft.environment, event.sequence)).collect();
    let (production, test) = (Environment::Production, Environment::Test);
    let (mine, others) = (organization.id, other.id);
    assert_eq!(places, [(mine, production, 1), (mine, test, 1), (others, production, 1), (mine, test, 2)]);
    assert!(events.iter().all(|event| event.hash == Some(event.computed_hash())));
    assert_eq!(store.events_after(2, 1).await.unwrap(), shipped[2..3]);
    assert_eq!(store.events_after(4, 1).await.unwrap(), []);
}

pub(super) async fn a_sink_is_held_by_one_at_a_time(store: Arc<dyn Store>) {
    let (sink, first, second) = (name("siem"), SessionId::new(seed()), SessionId::new(seed()));
    assert_eq!(store.sinks().await.unwrap(), []);
    assert!(store.acquire_sink(&sink, None, first).await.unwrap());
    assert!(!store.acquire_sink(&sink, None, second).await.unwrap());
    let now = async || store.sinks().await.unwrap().into_iter().next().unwrap();
    let taken = now().await;
    assert_eq!((taken.name.clone(), taken.position, taken.holder), (sink.clone(), 0, Some(first)));
    assert_eq!((taken.behind, taken.behind_since), (0, None));

    for number in 1..=3 {
        let draft = event(Action::AccessKeyCreated, OrganizationId::INSTALLATION, Environment::Test, "key_1");
        store.record(altered!(draft, time: Timestamp::from_millis(number))).await.unwrap();
    }
    assert!(store.commit_sink(&sink, first, 1).await.unwrap());
    assert!(!store.commit_sink(&sink, second, 3).await.unwrap());
    let moved = now().await;
    assert_eq!((moved.position, moved.behind, moved.behind_since), (1, 2, Some(Timestamp::from_millis(2))));
    // A node that looked before the holder's heartbeat is too late. A node that looked after it takes over, and the holder
    // notices.
    assert!(!store.acquire_sink(&sink, Some(taken.beat), second).await.unwrap());
    assert!(store.acquire_sink(&sink, Some(moved.beat), second).await.unwrap());
    assert!(!store.commit_sink(&sink, first, 3).await.unwrap());
    store.release_sink(&sink, first).await.unwrap();
    assert_eq!((now().await.position, now().await.holder), (1, Some(second)));
    store.release_sink(&sink, second).await.unwrap();
    assert_eq!((now().await.position, now().await.holder), (1, None));
    assert!(store.delete_sink(&sink).await.unwrap());
    assert!(!store.delete_sink(&sink).await.unwrap());
    assert_eq!(store.sinks().await.unwrap(), []);
}

pub(super) async fn no_event_is_pruned_before_every_sink_has_shipped_it(store: Arc<dyn Store>) {
    let log = PrunedLog::of(store, 2).await;
    let (sink, holder) = (name("siem"), SessionId::new(seed()));
    assert!(log.store.acquire_sink(&sink, None, holder).await.unwrap());
    assert!(log.store.commit_sink(&sink, holder, 1).await.unwrap());
    let pruned = log.statement(2).await;
    assert_eq!(conflict(log.prune(pruned.clone()).await), Conflict::Unshipped);
    assert!(log.store.commit_sink(&sink, holder, 2).await.unwrap());
    log.prune(pruned).await.unwrap();
    // Positions continue from the last one.
    assert_eq!(log.store.events_after(0, 10).await.unwrap()[0].position, 3);
    assert_eq!(log.store.sinks().await.unwrap()[0].behind, 1);
}
