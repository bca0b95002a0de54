//! Copying a store to another store of the same engine: the part of the suite that needs two stores.

use std::sync::Arc;

use doorward_audit::Action;
use doorward_key::ImportFormat;
use doorward_types::{Environment, Incarnation, OrganizationId, SecretState, Timestamp, altered};

use crate::fixtures::{access_key, context, create, event, log, name, provision, reference, secret, seed};
use doorward_records::Engine;
use doorward_store::copy::{Row, Rows};
use doorward_store::{Change, Organization, Position, Revision, SealingKeyId, StoreError};
use doorward_store_copy::{CopyError, CopyStep, copy};

/// Runs every case of copying, each on fresh engines. Panics at the first failure.
pub async fn moving<Made: Future<Output = Arc<dyn Engine>>>(make: impl Fn() -> Made) {
    a_copy_holds_what_its_source_holds(&*make().await, &*make().await).await;
    a_copy_is_in_the_incarnation_of_its_source(&*make().await, &*make().await).await;
    a_store_in_use_is_not_a_target_of_a_copy(&*make().await, &*make().await).await;
    an_unfinished_copy_is_no_store(&*make().await, &*make().await).await;
}

async fn moved(from: &dyn Engine, to: &dyn Engine) -> Result<u64, CopyError> {
    copy(from, to, "the source", &mut |_: CopyStep| {}).await
}

async fn fill(store: &dyn Engine) {
    for _ in 0..3 {
        let (organization, key, _) = provision(store).await;
        create(store, organization.id).await;
        let staged = altered!(secret(2, SecretState::Staged), imported: Some(ImportFormat::Sha256));
        let staged = Change::Stage { key: reference(&key), secret: staged };
        store.change(staged, context(Action::AccessKeyStaged, &key)).await.unwrap();
    }
}

async fn rows(store: &dyn Rows) -> Vec<Vec<Row>> {
    let mut all = Vec::new();
    for table in store.tables() {
        all.push(store.rows(table, None, 1_000).await.unwrap());
    }
    all
}

async fn a_copy_holds_what_its_source_holds(from: &dyn Engine, to: &dyn Engine) {
    fill(from).await;
    let live = from.active_secrets(None, 100).await.unwrap().proved_of_any_store().unwrap().1;
    assert_eq!(live.len(), 9);
    // 3 organizations, 6 keys, 9 secrets, 3 imports, and 9 changes of an event and an operation each.
    assert_eq!(moved(from, to).await.unwrap(), 3 + 6 + 9 + 3 + 9 + 9);
    assert_eq!(rows(to).await, rows(from).await);
    assert_eq!(to.active_secrets(None, 100).await.unwrap().proved_of_any_store().unwrap().1, live);
    assert_eq!(
        to.position().await.unwrap().proved_of_any_store().unwrap().1,
        Position { revision: Revision(9), ..Position::default() }
    );
    let (organization, ..) = provision(to).await;
    assert_eq!(
        (organization.name, to.position().await.unwrap().proved_of_any_store().unwrap().1.revision),
        (name("Acme"), Revision(10))
    );
    assert!(matches!(to.abandon_copy().await, Err(StoreError::NotFound)));
}

async fn a_copy_is_in_the_incarnation_of_its_source(from: &dyn Engine, to: &dyn Engine) {
    fill(from).await;
    let restored = event(Action::StoreRestored, OrganizationId::INSTALLATION, Environment::Production, "the store");
    from.begin_incarnation(Incarnation::FIRST, restored).await.unwrap();
    let sealing_key = SealingKeyId::from_bytes([7; 8]);
    assert!(from.name_sealing_key(None, sealing_key, None).await.unwrap());
    moved(from, to).await.unwrap();
    let (provenance, identity) = to.identity().await.unwrap().proved_of_any_store().unwrap();
    assert_eq!((provenance.incarnation, identity.incarnation), (Incarnation(2), Incarnation(2)));
    assert_eq!(identity.sealing_key, Some(sealing_key));
    assert_eq!(rows(to).await, rows(from).await);
    let (organization, ..) = provision(to).await;
    let events = log(to, organization.id, Environment::Production).await;
    assert_eq!(events.iter().map(|event| event.incarnation).collect::<Vec<_>>(), [Incarnation(2)]);
}

async fn a_store_in_use_is_not_a_target_of_a_copy(from: &dyn Engine, to: &dyn Engine) {
    fill(from).await;
    provision(to).await;
    let before = rows(to).await;
    assert!(matches!(moved(from, to).await, Err(CopyError::NotEmpty)));
    assert!(matches!(to.abandon_copy().await, Err(StoreError::NotFound)));
    assert_eq!(
        (rows(to).await, to.position().await.unwrap().proved_of_any_store().unwrap().1.revision),
        (before, Revision(1))
    );
}

async fn an_unfinished_copy_is_no_store(from: &dyn Engine, to: &dyn Engine) {
    fill(from).await;
    to.begin_copy("the source").await.unwrap();
    let (organizations, until) = (&to.tables()[0], "[\"until\"]".to_owned());
    let first = from.rows(organizations, None, 1).await.unwrap();
    to.add_rows(organizations, first, until.clone()).await.unwrap();
    assert!(matches!(to.position().await, Err(StoreError::UnfinishedCopy)));
    let organization = Organization::new(OrganizationId::new(seed()), name("Early"), Timestamp::from_millis(1));
    let key = access_key(organization.id, Environment::Production);
    let secret = secret(1, SecretState::Current);
    let change =
        Change::Provision { organization, key: key.clone(), secret, only_if_empty: false, allow_duplicate_name: true };
    let refused = to.change(change, context(Action::OrganizationCreated, &key)).await;
    assert!(matches!(refused, Err(StoreError::UnfinishedCopy)), "{refused:?}");

    let progress = to.begin_copy("another").await.unwrap();
    assert_eq!((progress.source.as_str(), progress.tables), ("the source", vec![("organizations".into(), until)]));
    let other = copy(from, to, "another", &mut |_| {}).await;
    assert!(matches!(other, Err(CopyError::OtherSource(source)) if source == "the source"));
    // The target's data differs from the source's data, even if both have one origin.
    assert!(matches!(
        moved(from, to).await,
        Err(CopyError::Differs { table: "organizations", .. } | CopyError::Store(_))
    ));
    to.abandon_copy().await.unwrap();
    assert_eq!(moved(from, to).await.unwrap(), 39);
}
