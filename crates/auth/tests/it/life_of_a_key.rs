//! The life of a key on every engine: the accepted secrets at each step, and the audit log.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use doorward_audit::{Action, Event};
use doorward_auth::{
    ChangeRequest, Core, Issuer, LINK_LIFETIME, ManageError, OperatorPrincipal, OperatorTokenError, Operators,
    Presence, SESSION_IDLE, SESSION_LIFETIME, StagedKey, Verifier, VerifyError, Visit,
};
use doorward_key::{KeyError, ShownOnce};
use doorward_records::Store;
use doorward_store::{EventFilter, IdempotencyKey, OpenMode, Page, Secret};
use doorward_store_memory::MemoryStore;
use doorward_store_postgres::PostgresStore;
use doorward_store_sqlite::SqliteStore;
use doorward_types::{AccessKeyId, Environment, ManualClock, OrganizationId, SecretState, Timestamp};

use crate::postgres;
use crate::support::with_checksum;

#[expect(clippy::disallowed_methods, reason = "a test has its store to itself")]
fn operator() -> OperatorPrincipal {
    OperatorPrincipal::local_administrator("ada".parse().unwrap())
}

fn request() -> ChangeRequest {
    operator().request()
}

pub(crate) struct Bench {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) verifier: Verifier,
    /// An issuer without a node, like the command line's.
    pub(crate) issuer: Issuer,
    _folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn accepts(&self, value: &ShownOnce) -> bool {
        match self.verifier.verify(value.expose().as_bytes()) {
            Ok(_) => true,
            Err(VerifyError::Unknown) => false,
            Err(other) => panic!("{other}"),
        }
    }

    pub(crate) async fn actions(&self, organization: OrganizationId, environment: Environment) -> Vec<Action> {
        let events = self.events(organization, environment, &EventFilter::default()).await;
        events.into_iter().rev().map(|event| event.draft.action).collect()
    }

    /// Returns the newest events of a log first.
    #[expect(clippy::disallowed_methods, reason = "a test reads any log")]
    pub(crate) async fn events(
        &self,
        organization: OrganizationId,
        environment: Environment,
        filter: &EventFilter,
    ) -> Vec<Event> {
        let scope = operator().scope(organization, environment).unwrap();
        self.store.events(&scope, filter, Page::first(100)).await.unwrap()
    }
}

pub(crate) async fn benches() -> Vec<Bench> {
    let mut benches = Vec::new();
    for engine in ["memory", "sqlite", "postgres"] {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = match engine {
            "memory" => Arc::new(MemoryStore::new()),
            "postgres" => Arc::new(PostgresStore::open(&postgres::empty().await, OpenMode::Create).await.unwrap()),
            _ => Arc::new(SqliteStore::open(folder.path().join("doorward.db"), OpenMode::Create).await.unwrap()),
        };
        let core = Core::new(store.clone());
        let verifier = Verifier::start(&core).await.unwrap();
        benches.push(Bench { store, verifier, issuer: Issuer::new(&core), _folder: folder });
    }
    benches
}

#[tokio::test]
async fn a_production_key_is_staged_rolled_out_and_regenerated_without_an_outage() {
    for bench in benches().await {
        let acme = bench.issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
        let organization = acme.organization.id;
        assert!(bench.accepts(&acme.value));

        let staged = bench.issuer.stage(organization, &request()).await.unwrap();
        assert_eq!((staged.secret.generation, staged.secret.state), (2, SecretState::Staged));
        assert!(bench.accepts(&acme.value) && bench.accepts(&staged.value), "both work");
        let twice = bench.issuer.stage(organization, &request()).await;
        assert!(matches!(twice, Err(ManageError::AlreadyStaged)), "{twice:?}");

        let regenerated = bench.issuer.regenerate(organization, StagedKey::Promote, &request()).await.unwrap();
        assert!(regenerated.value.into_fresh().is_none(), "a staged value was shown again");
        assert_eq!(regenerated.secret.locator, staged.secret.locator);
        assert_eq!(regenerated.receipt.nodes().acknowledged, 1);
        assert!(!bench.accepts(&acme.value), "the old secret works after the answer");
        assert!(bench.accepts(&staged.value));
        assert_eq!(
            bench.actions(organization, Environment::Production).await,
            [
                Action::OrganizationCreated,
                Action::AccessKeyCreated,
                Action::AccessKeyStaged,
                Action::AccessKeyRegenerated
            ]
        );
    }
}

#[tokio::test]
async fn a_leaked_key_is_regenerated_at_once_and_the_fresh_value_is_shown() {
    for bench in benches().await {
        let acme = bench.issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
        let first = bench.issuer.regenerate(acme.organization.id, StagedKey::Promote, &request()).await.unwrap();
        let first_value = first.value.into_fresh().unwrap();
        assert!(!bench.accepts(&acme.value) && bench.accepts(&first_value));

        let staged = bench.issuer.stage(acme.organization.id, &request()).await.unwrap();
        let second = bench.issuer.regenerate(acme.organization.id, StagedKey::Discard, &request()).await.unwrap();
        let second_value = second.value.into_fresh().unwrap();
        assert!(!bench.accepts(&first_value) && !bench.accepts(&staged.value) && bench.accepts(&second_value));
        assert_eq!(second.retired.len(), 2);
        assert_eq!(second.secret.generation, 4, "a generation is never used twice");
    }
}

#[tokio::test]
async fn a_staged_key_can_be_withdrawn() {
    for bench in benches().await {
        let acme = bench.issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
        let nothing = bench.issuer.unstage(acme.organization.id, &request()).await;
        assert!(matches!(nothing, Err(ManageError::NothingStaged)), "{nothing:?}");
        let staged = bench.issuer.stage(acme.organization.id, &request()).await.unwrap();
        bench.issuer.unstage(acme.organization.id, &request()).await.unwrap();
        assert!(bench.accepts(&acme.value) && !bench.accepts(&staged.value));
    }
}

#[tokio::test]
async fn test_keys_can_be_deleted_but_not_the_only_production_key() {
    for bench in benches().await {
        let acme = bench.issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
        let organization = acme.organization.id;
        let ci = bench.issuer.create(organization, "ci".parse().unwrap(), &request()).await.unwrap();
        assert!(bench.accepts(&ci.value) && bench.accepts(&acme.value));
        let principal = bench.verifier.authenticate(ci.value.expose().as_bytes()).unwrap();
        assert_eq!(principal.environment(), Environment::Test);
        assert_eq!(principal.key_name().as_str(), "ci");
        assert_eq!(principal.organization_name().as_str(), "Acme");
        assert_eq!((principal.key_id(), principal.generation()), (ci.key.id, 1));
        assert_eq!(principal.scope().organization(), organization);
        assert_eq!(principal.scope().environment(), Environment::Test);

        bench.issuer.delete(organization, ci.key.id, &request()).await.unwrap();
        assert!(!bench.accepts(&ci.value));
        let again = bench.issuer.delete(organization, ci.key.id, &request()).await;
        assert!(matches!(again, Err(ManageError::NoSuchKey)), "{again:?}");
        let required = bench.issuer.delete(organization, acme.key.id, &request()).await;
        assert!(matches!(required, Err(ManageError::ProductionKeyRequired)), "{required:?}");
        assert!(bench.accepts(&acme.value));
        assert_eq!(
            bench.actions(organization, Environment::Test).await,
            [Action::AccessKeyCreated, Action::AccessKeyDeleted]
        );
    }
}

#[tokio::test]
async fn a_change_in_an_unknown_organization_is_refused() {
    for bench in benches().await {
        let nowhere = OrganizationId::from_u128(5);
        let create = bench.issuer.create(nowhere, "ci".parse().unwrap(), &request()).await;
        assert!(matches!(create, Err(ManageError::NoSuchOrganization)), "{create:?}");
        let stage = bench.issuer.stage(nowhere, &request()).await;
        assert!(matches!(stage, Err(ManageError::NoSuchOrganization)), "{stage:?}");
        let regenerate = bench.issuer.regenerate(nowhere, StagedKey::Promote, &request()).await;
        assert!(matches!(regenerate, Err(ManageError::NoSuchOrganization)), "{regenerate:?}");
        let delete = bench.issuer.delete(nowhere, AccessKeyId::from_u128(1), &request()).await;
        assert!(matches!(delete, Err(ManageError::NoSuchOrganization)), "{delete:?}");
    }
}

#[tokio::test]
async fn a_repeated_request_changes_nothing_and_shows_no_value() {
    for bench in benches().await {
        let once = request().with_idempotency_key("req-1".parse::<IdempotencyKey>().unwrap());
        let acme = bench.issuer.provision("Acme".parse().unwrap(), &once).await.unwrap();
        match bench.issuer.provision("Acme".parse().unwrap(), &once).await {
            Err(ManageError::AlreadyDone { id }) => assert_eq!(id, acme.organization.id.to_string()),
            other => panic!("{other:?}"),
        }
        assert_eq!(bench.issuer.organizations(&operator(), Page::first(10)).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn only_the_exact_secret_is_accepted() {
    for bench in benches().await {
        let acme = bench.issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
        let text = acme.value.expose();
        let other = bench.issuer.provision("Other".parse().unwrap(), &request()).await.unwrap();

        // The locator of one key with the secret of another, and the prefix of the other environment. Each has a correct
        // checksum, so only the stored record can refuse it.
        let body = text[..49].to_owned();
        let crossed = with_checksum(&format!("{}{}", &other.value.expose()[..19], &text[19..49]));
        let relabelled = with_checksum(&body.replacen("prod", "test", 1));
        for forged in [crossed, relabelled] {
            assert_eq!(bench.verifier.verify(forged.as_bytes()).unwrap_err(), VerifyError::Unknown, "{forged}");
        }
        let mistyped = with_checksum(&body).replacen(&body[20..22], "\u{7f}x", 1);
        assert_eq!(bench.verifier.verify(mistyped.as_bytes()).unwrap_err(), VerifyError::Malformed(KeyError::Alphabet));
    }
}

#[tokio::test]
async fn an_operator_is_added_and_removed_at_once() {
    for bench in benches().await {
        let desk = Operators::new(bench.verifier.core(), bench.store.clone());
        let added = desk.add("grace".parse().unwrap(), &request()).await.unwrap();
        let token = added.value.expose();
        assert_eq!(desk.authenticate(token.as_bytes()).await.unwrap().actor().as_str(), "grace");
        assert!(matches!(desk.add("grace".parse().unwrap(), &request()).await, Err(ManageError::NameTaken)));
        for own in [
            "cli:root",
            "CLI:root@host",
            "cli",
            "doorward-server",
            "Doorward",
            "server",
            "c\u{34f}li:root",
            "\u{ff23}\u{ff2c}\u{ff29}\u{ff1a}root",
            "\u{441}li:root",
            "\u{405}erver",
            "\u{3164}key_1",
        ] {
            let refused = desk.add(own.parse().unwrap(), &request()).await;
            assert!(matches!(refused, Err(ManageError::NameReserved)), "{own}");
        }

        let acme = bench.issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
        let access_key = desk.authenticate(acme.value.expose().as_bytes()).await;
        assert!(matches!(access_key, Err(OperatorTokenError::Malformed(_))), "{access_key:?}");
        assert!(bench.verifier.verify(token.as_bytes()).is_err());

        desk.remove(&added.operator, &request()).await.unwrap();
        assert!(matches!(desk.authenticate(token.as_bytes()).await, Err(OperatorTokenError::Unknown)));
        assert!(matches!(desk.remove(&added.operator, &request()).await, Err(ManageError::NoSuchOperator)));
        assert_eq!(
            bench.actions(OrganizationId::INSTALLATION, Environment::Production).await,
            [Action::OperatorCreated, Action::OperatorDeleted]
        );
    }
}

/// A bench with a clock that the test moves.
async fn with_clock() -> (Bench, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_800_000_000_000)));
    let store = Arc::new(MemoryStore::new());
    let core = Core::new(store.clone()).with_clock(Arc::<ManualClock>::clone(&clock));
    let verifier = Verifier::start(&core).await.unwrap();
    (Bench { store, issuer: Issuer::new(&core), verifier, _folder: tempfile::tempdir().unwrap() }, clock)
}

#[tokio::test]
async fn a_sign_in_link_works_once() {
    for bench in benches().await {
        let desk = Operators::new(bench.verifier.core(), bench.store.clone());
        let grace = desk.add("grace".parse().unwrap(), &request()).await.unwrap().operator;
        let link = desk.login_link(&grace, &request()).await.unwrap();
        assert_eq!(desk.peek_link(&link).await.unwrap(), Some(grace.clone()), "looking at a link consumed it");
        assert!(desk.session(&link, Presence::Active).await.unwrap().is_none(), "a link worked as a session");
        let (one, two) = tokio::join!(desk.sign_in(&link, Visit::default()), desk.sign_in(&link, Visit::default()));
        let mut sessions: Vec<_> = [one.unwrap(), two.unwrap()].into_iter().flatten().collect();
        assert_eq!(sessions.len(), 1, "not exactly one of two simultaneous sign-ins succeeded");
        let session = sessions.remove(0);
        assert!(desk.sign_in(&link, Visit::default()).await.unwrap().is_none());
        assert!(desk.sign_in(&session, Visit::default()).await.unwrap().is_none(), "a session worked as a link");
        assert_eq!(desk.session(&session, Presence::Active).await.unwrap().unwrap().actor().as_str(), "grace");
        desk.sign_out(&session, Visit::default()).await.unwrap();
        assert!(desk.session(&session, Presence::Active).await.unwrap().is_none());

        // Ends all sessions at once, and removes the operator.
        let mut others = Vec::new();
        for _ in 0..3 {
            let link = desk.login_link(&grace, &request()).await.unwrap();
            others.push(desk.sign_in(&link, Visit::default()).await.unwrap().unwrap());
        }
        let unused = desk.login_link(&grace, &request()).await.unwrap();
        assert_eq!(desk.sign_out_everywhere(&grace, &request()).await.unwrap(), 4);
        assert!(desk.sign_in(&unused, Visit::default()).await.unwrap().is_none());
        let link = desk.login_link(&grace, &request()).await.unwrap();
        let last = desk.sign_in(&link, Visit::default()).await.unwrap().unwrap();
        desk.remove(&grace, &request()).await.unwrap();
        assert!(desk.session(&last, Presence::Active).await.unwrap().is_none());
        assert!(matches!(desk.login_link(&grace, &request()).await, Err(ManageError::NoSuchOperator)));
    }
}

#[tokio::test]
async fn links_and_sessions_expire() {
    let (bench, clock) = with_clock().await;
    let desk = Operators::new(bench.verifier.core(), bench.store.clone());
    let grace = desk.add("grace".parse().unwrap(), &request()).await.unwrap().operator;
    let signed_in = async |session| desk.session(session, Presence::Active).await.unwrap().is_some();
    let late = desk.login_link(&grace, &request()).await.unwrap();
    clock.advance(LINK_LIFETIME);
    assert!(desk.sign_in(&late, Visit::default()).await.unwrap().is_none());

    let link = desk.login_link(&grace, &request()).await.unwrap();
    let idle = desk.sign_in(&link, Visit::default()).await.unwrap().unwrap();
    clock.advance(SESSION_IDLE - Duration::from_millis(1));
    assert!(signed_in(&idle).await);
    // An idle page does not extend the session.
    clock.advance(SESSION_IDLE / 2);
    assert!(desk.session(&idle, Presence::Watching).await.unwrap().is_some());
    clock.advance(SESSION_IDLE / 2);
    assert!(!signed_in(&idle).await);

    let link = desk.login_link(&grace, &request()).await.unwrap();
    let busy = desk.sign_in(&link, Visit::default()).await.unwrap().unwrap();
    let mut lasted = Duration::ZERO;
    while signed_in(&busy).await {
        lasted += SESSION_IDLE / 2;
        clock.advance(SESSION_IDLE / 2);
    }
    assert_eq!(lasted, SESSION_LIFETIME);
}

#[tokio::test]
async fn a_request_that_saw_other_secrets_changes_nothing() {
    for bench in benches().await {
        let acme = bench.issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
        let organization = acme.organization.id;
        let saw = |secrets: &[Secret]| {
            let seen: Vec<_> = secrets.iter().map(|secret| secret.locator).collect();
            request().with_expected_secrets(seen)
        };
        let staged = bench.issuer.stage(organization, &request()).await.unwrap();
        // One request saw the keys before the stage, and one before the promotion.
        let early = bench.issuer.regenerate(organization, StagedKey::Promote, &saw(&[acme.secret])).await;
        assert!(matches!(early, Err(ManageError::ChangedMeanwhile)), "{early:?}");
        let both = saw(&[acme.secret, staged.secret]);
        bench.issuer.regenerate(organization, StagedKey::Promote, &both).await.unwrap();
        for late in [
            bench.issuer.regenerate(organization, StagedKey::Promote, &both).await.map(drop),
            bench.issuer.regenerate(organization, StagedKey::Discard, &both).await.map(drop),
        ] {
            assert!(matches!(late, Err(ManageError::ChangedMeanwhile)), "{late:?}");
        }
        assert!(bench.accepts(&staged.value), "a request killed the secret that another had just promoted");
        let next = bench.issuer.stage(organization, &request()).await.unwrap();
        let withdrawn = bench.issuer.unstage(organization, &both).await;
        assert!(matches!(withdrawn, Err(ManageError::ChangedMeanwhile)), "{withdrawn:?}");
        bench.issuer.unstage(organization, &saw(&[staged.secret, next.secret])).await.unwrap();
    }
}
