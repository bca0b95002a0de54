//! An engine that has the methods without a default, and nothing else: enough to verify, issue, rotate and delete keys.

use std::sync::Arc;

use async_trait::async_trait;
use doorward_auth::{Issuer, ManageError, StagedKey, Verifier, VerifyError};
use doorward_key::KeyPrefix;
use doorward_store::{
    AccessKeyWithSecrets, ActiveSecret, Change, ChangeContext, ChangeFeed, Committed, IdempotencyKey, KeyStore,
    NodeRegistry, Observation, Operation, Organization, OriginEntry, Page, Position, Revision, Session, SessionStatus,
    Sourced, StoreError, StoreIdentity,
};
use doorward_store_memory::MemoryStore;
use doorward_types::{ActorName, Locator, OrganizationId, SessionId};

use crate::support::{operator, process, request};

#[derive(Debug)]
struct KeysAlone(MemoryStore);

/// Implements traits by the signatures of their methods, and counts the methods.
macro_rules! implement {
    ($($trait:ident { $(fn $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)* })*) => {
        $(
            #[async_trait]
            impl $trait for KeysAlone {
                $(
                    async fn $name(&self, $($argument: $type),*) -> Result<$answer, StoreError> {
                        self.0.$name($($argument),*).await
                    }
                )*
            }
        )*

        /// The methods that an embedder writes.
        const METHODS: &[&str] = &[$($(stringify!($name)),*),*];
    };
}

implement! {
    KeyStore {
        fn change(change: Change, context: ChangeContext) -> Committed;
        fn operation(actor: &ActorName, key: &IdempotencyKey) -> Sourced<Option<Operation>>;
        fn organization(id: OrganizationId) -> Option<Organization>;
        fn organizations(page: Page<OrganizationId>) -> Vec<Organization>;
        fn access_keys(organization: OrganizationId) -> Vec<AccessKeyWithSecrets>;
        fn allowed_origins(organization: OrganizationId) -> Vec<OriginEntry>;
    }
    ChangeFeed {
        fn identity() -> Sourced<StoreIdentity>;
        fn claim_prefix(prefix: &KeyPrefix) -> ();
        fn position() -> Sourced<Position>;
        fn active_secrets(after: Option<&ActiveSecret>, limit: u32) -> Sourced<Vec<ActiveSecret>>;
        fn active_secret(locator: Locator) -> Sourced<Option<ActiveSecret>>;
        fn all_allowed_origins(after: Option<&OriginEntry>, limit: u32) -> Sourced<Vec<OriginEntry>>;
        fn poll(session: SessionId, since: Position) -> Sourced<Observation>;
        fn report_lost(change: Position) -> ();
    }
    NodeRegistry {
        fn register(session: Session) -> ();
        fn acknowledge(session: SessionId, position: Position) -> ();
        fn ask(revision: Revision) -> ();
        fn sessions() -> Sourced<Vec<SessionStatus>>;
        fn retire(sessions: &[SessionId]) -> ();
        fn remove(sessions: &[SessionId]) -> ();
    }
}

fn engine() -> Arc<KeysAlone> {
    Arc::new(KeysAlone(MemoryStore::new()))
}

#[tokio::test]
async fn twenty_methods_pass_the_part_of_the_suite_that_is_about_keys() {
    assert!(METHODS.len() <= 20, "docs/how-to/add-an-engine.md promises it: {METHODS:?}");
    doorward_store_conformance::keys(async || engine() as Arc<_>).await;
}

#[tokio::test(start_paused = true)]
async fn twenty_methods_verify_issue_rotate_and_delete() {
    let core = process(engine());
    let node = Verifier::start_in_runtime(&core).await.unwrap();
    let issuer = Issuer::new(&core);
    let acme = issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
    let (id, old) = (acme.organization.id, acme.value.expose().as_bytes());
    node.authenticate(old).unwrap();
    let next = issuer.stage(id, &request()).await.unwrap();
    issuer.regenerate(id, StagedKey::Promote, &request()).await.unwrap();
    assert!(matches!(node.authenticate(old), Err(VerifyError::Revoked(_))));
    node.authenticate_strictly(next.value.expose().as_bytes()).await.unwrap();
    let test = issuer.create(id, "ci".parse().unwrap(), &request()).await.unwrap();
    issuer.delete(id, test.key.id, &request()).await.unwrap();
    assert!(node.verify(test.value.expose().as_bytes()).is_err());
    assert!(matches!(issuer.delete(id, test.key.id, &request()).await, Err(ManageError::NoSuchKey)));
    // Nobody is told that a regeneration would break nothing, if nobody knows.
    let impact = issuer.preview_regeneration(&operator(), id, StagedKey::Discard).await;
    assert!(matches!(impact, Err(ManageError::UsesNotKept)), "{impact:?}");
    node.stop().await;
}
