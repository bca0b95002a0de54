//! Lists of allowed origins.

use std::time::Duration;

use doorward_audit::Action;
use doorward_origin::{AllowedOrigin, CustomSchemes};
use doorward_store::{Change, ChangeContext, Conflict, OriginEntry, OriginsChange, Poll, Session, StoreError};
use doorward_types::{AllowedOriginId, Environment, OrganizationId, SessionId, Timestamp, altered};

use crate::fixtures::{Keys, conflict, context_of, event, name, poll, provision, seed};

fn origin(organization: OrganizationId, text: &str) -> OriginEntry {
    OriginEntry::new(
        organization,
        AllowedOriginId::new(seed()),
        AllowedOrigin::parse(text, CustomSchemes::Allowed).unwrap(),
        Timestamp::from_millis(6),
        name("ada"),
    )
}

fn origin_context(organization: OrganizationId) -> ChangeContext {
    let told = event(Action::AllowedOriginAdded, organization, Environment::Production, "ori_1");
    context_of(told)
}

pub(super) async fn allowing_and_disallowing_an_origin_is_polled_like_a_key_change(store: Keys) {
    let (organization, ..) = provision(&*store).await;
    let (other, ..) = provision(&*store).await;
    let session = SessionId::new(seed());
    store.register(Session { id: session, lease: Duration::from_secs(3) }).await.unwrap();
    let id = organization.id;
    let allow = async |entry: &OriginEntry| {
        store.change(Change::AllowOrigin { entry: entry.clone() }, origin_context(entry.organization)).await
    };
    let (app, local, apps) =
        (origin(id, "app.example.com"), origin(id, "localhost:3000"), origin(other.id, "com.a.b://c"));
    let before = store.position().await.unwrap().proved_of_any_store().unwrap().1;
    let first = allow(&app).await.unwrap();
    assert_eq!(first.revision.0, before.revision.0 + 1);
    allow(&local).await.unwrap();
    allow(&apps).await.unwrap();
    assert_eq!(conflict(allow(&altered!(app.clone(), id: AllowedOriginId::new(seed()))).await), Conflict::Duplicate);
    let nowhere = origin(OrganizationId::new(seed()), "app.example.com");
    assert!(matches!(allow(&nowhere).await, Err(StoreError::NotFound)));
    // The same origin may be on another organization's list.
    let theirs = origin(other.id, "app.example.com");
    allow(&theirs).await.unwrap();
    assert_eq!(store.allowed_origins(id).await.unwrap(), [app.clone(), local.clone()]);
    assert_eq!(store.allowed_origins(other.id).await.unwrap(), [apps.clone(), theirs.clone()]);

    let Poll::UpToDate { position, changes, mut origins, acknowledgement_wanted } =
        poll(&*store, session, before).await
    else {
        panic!("not current");
    };
    assert!(changes.is_empty() && acknowledgement_wanted);
    origins.sort_by_key(|change| change.organization != id);
    let mine = OriginsChange { organization: id, entries: vec![app.clone(), local.clone()] };
    assert_eq!(origins, [mine, OriginsChange { organization: other.id, entries: vec![apps, theirs] }]);

    let disallow = async |organization, id| {
        store.change(Change::DisallowOrigin { organization, id }, origin_context(organization)).await
    };
    assert!(matches!(disallow(other.id, app.id).await, Err(StoreError::NotFound)), "another's entry");
    disallow(id, app.id).await.unwrap();
    disallow(id, local.id).await.unwrap();
    assert!(matches!(disallow(id, local.id).await, Err(StoreError::NotFound)));
    assert_eq!(store.allowed_origins(id).await.unwrap(), []);
    let Poll::UpToDate { origins, .. } = poll(&*store, session, position).await else { panic!("not current") };
    assert_eq!(origins, [OriginsChange { organization: id, entries: vec![] }]);
    // Each change wrote an event; a refused change did not.
    if let Some(told) = store.events(id, Environment::Production).await {
        assert_eq!(told.iter().filter(|event| event.draft.action == Action::AllowedOriginAdded).count(), 4);
    }
}

pub(super) async fn every_allowed_origin_is_loaded_page_by_page(store: Keys) {
    let mut all = Vec::new();
    for _ in 0..2 {
        let (organization, ..) = provision(&*store).await;
        for port in 1..=3 {
            let entry = origin(organization.id, &format!("localhost:{port}"));
            store.change(Change::AllowOrigin { entry: entry.clone() }, origin_context(organization.id)).await.unwrap();
            all.push(entry);
        }
    }
    all.sort_by_key(|entry| (entry.organization, entry.id));
    let mut loaded: Vec<OriginEntry> = Vec::new();
    loop {
        let page = store.all_allowed_origins(loaded.last(), 2).await.unwrap().proved_of_any_store().unwrap().1;
        if page.is_empty() {
            break;
        }
        loaded.extend(page);
    }
    assert_eq!(loaded, all);
}
