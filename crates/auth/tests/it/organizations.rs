//! The life of an organization on every engine: its own id, its names, its suspension and its end.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use doorward_audit::Action;
use doorward_auth::{
    Issuer, LeaseConfig, ManageError, NewOrganization, ProvisionedOnce, Renaming, StagedKey, Verifier, VerifyError,
};
use doorward_store::{IdempotencyKey, Organization, Page};
use doorward_types::{Environment, ExternalId, OrganizationId, OrganizationState};

use crate::life_of_a_key::benches;
use crate::support::{guess_of, operator, request, silent, simulated};

fn tenant(text: &str) -> ExternalId {
    text.parse().unwrap()
}

fn acme() -> NewOrganization {
    "Acme".parse().unwrap()
}

async fn once(issuer: &Issuer, new: NewOrganization, key: &str) -> Result<ProvisionedOnce, ManageError> {
    let request = request().with_idempotency_key(key.parse::<IdempotencyKey>().unwrap());
    issuer.provision_once(tenant("tenant-7"), new, &request).await
}

fn existing(made: Result<ProvisionedOnce, ManageError>) -> Organization {
    match made.unwrap() {
        ProvisionedOnce::Existing(organization) => organization,
        ProvisionedOnce::New(made) => panic!("a second organization: {made:?}"),
    }
}

#[tokio::test]
async fn a_sign_up_is_repeated_at_any_time_and_gives_the_same_organization() {
    for bench in benches().await {
        let issuer = &bench.issuer;
        let ProvisionedOnce::New(made) = once(issuer, acme(), "first").await.unwrap() else { panic!("it is new") };
        let id = made.organization.id;
        assert_eq!(made.organization.external_id, Some(tenant("tenant-7")));
        assert!(bench.accepts(&made.value));
        // Under the same idempotency key, under another one, without one, and with another name.
        assert_eq!(existing(once(issuer, acme(), "first").await), made.organization);
        assert_eq!(existing(once(issuer, acme(), "second").await).id, id);
        assert_eq!(existing(issuer.provision_once(tenant("tenant-7"), acme(), &request()).await).id, id);
        assert_eq!(existing(once(issuer, "Other".parse().unwrap(), "third").await).id, id);
        // An idempotency key still belongs to one request.
        let reused = once(issuer, "Other".parse().unwrap(), "first").await;
        assert!(matches!(reused, Err(ManageError::IdempotencyKeyReused)), "{reused:?}");
        assert_eq!(issuer.organizations(&operator(), Page::first(9)).await.unwrap().len(), 1);

        let renamed = issuer.rename(id, "Acme Inc".parse().unwrap(), &request()).await.unwrap();
        issuer.close(id, Duration::ZERO, &request()).await.unwrap();
        let found = existing(once(issuer, acme(), "fourth").await);
        assert_eq!((found.id, found.name, found.state), (id, renamed.organization.name, OrganizationState::Closed));
        let found = issuer.organization_by_external_id(&operator(), &tenant("tenant-7")).await.unwrap();
        assert_eq!(found.id, id);
        let nobody = issuer.organization_by_external_id(&operator(), &tenant("tenant-8")).await;
        assert!(matches!(nobody, Err(ManageError::NoSuchOrganization)), "{nobody:?}");
    }
}

#[tokio::test]
async fn several_sign_ups_at_once_make_one_organization() {
    for bench in benches().await {
        let mut tries = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let issuer = bench.issuer.clone();
            tries.spawn(async move { issuer.provision_once(tenant("tenant-7"), acme(), &request()).await.unwrap() });
        }
        let made = tries.join_all().await;
        assert_eq!(made.iter().filter(|made| matches!(made, ProvisionedOnce::New(_))).count(), 1);
        assert!(made.iter().all(|each| each.organization().id == made[0].organization().id));
    }
}

#[tokio::test]
async fn names_are_unique_unless_a_duplicate_is_asked_for() {
    for bench in benches().await {
        let issuer = &bench.issuer;
        let first = issuer.provision(acme(), &request()).await.unwrap().organization.id;
        let taken = issuer.provision(acme(), &request()).await;
        assert!(matches!(taken, Err(ManageError::NameTaken)), "{taken:?}");
        let second = issuer.provision(acme().with_duplicate_name(true), &request()).await.unwrap().organization.id;
        issuer.rename(second, "Second".parse().unwrap(), &request()).await.unwrap();
        let renaming = || "Acme".parse::<Renaming>().unwrap();
        let taken = issuer.rename(second, renaming(), &request()).await;
        assert!(matches!(taken, Err(ManageError::NameTaken)), "{taken:?}");
        issuer.rename(second, renaming().with_duplicate_name(true), &request()).await.unwrap();
        let own = Renaming::default().with_external_id(tenant("tenant-1"));
        issuer.rename(first, own.clone(), &request()).await.unwrap();
        let taken = issuer.rename(second, own, &request()).await;
        assert!(matches!(taken, Err(ManageError::ExternalIdTaken)), "{taken:?}");
        let nobody = issuer.rename(OrganizationId::from_u128(7), renaming(), &request()).await;
        assert!(matches!(nobody, Err(ManageError::NoSuchOrganization)), "{nobody:?}");
    }
}

#[tokio::test]
async fn a_suspended_organizations_keys_are_refused_until_it_is_resumed() {
    for bench in benches().await {
        let (issuer, verifier) = (&bench.issuer, &bench.verifier);
        let made = issuer.provision(acme(), &request()).await.unwrap();
        let other = issuer.provision("Other".parse().unwrap(), &request()).await.unwrap();
        let id = made.organization.id;
        let test = issuer.create(id, "ci".parse().unwrap(), &request()).await.unwrap();
        let values = [&made.value, &test.value].map(|value| value.expose().as_bytes().to_vec());

        let suspended = issuer.suspend(id, Some("unpaid".parse().unwrap()), &request()).await.unwrap();
        assert_eq!(suspended.organization.state, OrganizationState::Suspended);
        assert_eq!(suspended.receipt.nodes().acknowledged, 1);
        for value in &values {
            assert_eq!(verifier.verify(value).unwrap_err(), VerifyError::Suspended);
            assert_eq!(verifier.authenticate(value).unwrap_err(), VerifyError::Suspended);
            assert_eq!(verifier.authenticate_strictly(value).await.unwrap_err(), VerifyError::Suspended);
            // Only the key itself learns of the suspension.
            let guess = guess_of(str::from_utf8(value).unwrap());
            assert_eq!(verifier.verify(guess.as_bytes()).unwrap_err(), VerifyError::Unknown);
        }
        assert!(bench.accepts(&other.value));
        let again = issuer.suspend(id, None, &request()).await;
        assert!(matches!(again, Err(ManageError::StateUnchanged)), "{again:?}");

        // Management goes on: a key that is made or regenerated meanwhile is refused too.
        let staged = issuer.stage(id, &request()).await.unwrap();
        assert_eq!(verifier.verify(staged.value.expose().as_bytes()).unwrap_err(), VerifyError::Suspended);
        issuer.regenerate(id, StagedKey::Promote, &request()).await.unwrap();
        issuer.rename(id, "Acme Inc".parse().unwrap(), &request()).await.unwrap();
        assert_eq!(verifier.verify(staged.value.expose().as_bytes()).unwrap_err(), VerifyError::Suspended);
        // A node that starts meanwhile refuses them as well.
        let late = Verifier::start(verifier.core()).await.unwrap();
        assert_eq!(late.verify(&values[1]).unwrap_err(), VerifyError::Suspended);
        late.stop().await;

        issuer.resume(id, &request()).await.unwrap();
        assert!(bench.accepts(&staged.value) && bench.accepts(&test.value) && !bench.accepts(&made.value));
        let principal = verifier.authenticate(&values[1]).unwrap();
        assert_eq!(principal.organization_name().as_str(), "Acme Inc", "a new name reaches the nodes");
        let again = issuer.resume(id, &request()).await;
        assert!(matches!(again, Err(ManageError::StateUnchanged)), "{again:?}");
        assert_eq!(
            bench.actions(id, Environment::Production).await[2..],
            [
                Action::OrganizationSuspended,
                Action::AccessKeyStaged,
                Action::AccessKeyRegenerated,
                Action::OrganizationRenamed,
                Action::OrganizationResumed
            ]
        );
    }
}

#[tokio::test]
async fn a_closed_organizations_keys_are_dead_and_its_log_stays() {
    for bench in benches().await {
        let issuer = &bench.issuer;
        let made = issuer.provision(acme(), &request()).await.unwrap();
        let id = made.organization.id;
        let test = issuer.create(id, "ci".parse().unwrap(), &request()).await.unwrap();
        let origin = issuer.allow_origin(id, "app.example.com".parse().unwrap(), &request()).await.unwrap().entry;
        // A suspended organization can be closed.
        issuer.suspend(id, None, &request()).await.unwrap();
        let closed = issuer.close(id, Duration::from_hours(24), &request()).await.unwrap();
        assert_eq!(closed.organization.state, OrganizationState::Closed);
        assert!(closed.organization.erase_at.is_some());
        assert!(!bench.accepts(&made.value) && !bench.accepts(&test.value));
        assert!(bench.verifier.check_origin(id, "https://app.example.com/").is_err());
        assert_eq!(issuer.access_keys(&operator(), id).await.unwrap(), []);
        assert_eq!(issuer.organization(&operator(), id).await.unwrap(), closed.organization);

        let name = || "new".parse().unwrap();
        let refused = [
            issuer.close(id, Duration::ZERO, &request()).await.map(drop),
            issuer.suspend(id, None, &request()).await.map(drop),
            issuer.resume(id, &request()).await.map(drop),
            issuer.rename(id, "New".parse().unwrap(), &request()).await.map(drop),
            issuer.create(id, name(), &request()).await.map(drop),
            issuer.stage(id, &request()).await.map(drop),
            issuer.unstage(id, &request()).await.map(drop),
            issuer.regenerate(id, StagedKey::Promote, &request()).await.map(drop),
            issuer.allow_origin(id, "new.example.com".parse().unwrap(), &request()).await.map(drop),
        ];
        for refused in refused {
            assert!(matches!(refused, Err(ManageError::OrganizationClosed)), "{refused:?}");
        }
        let gone = issuer.disallow_origin(id, origin.id, &request()).await;
        assert!(matches!(gone, Err(ManageError::NoSuchOrigin)), "{gone:?}");
        let gone = issuer.delete(id, test.key.id, &request()).await;
        assert!(matches!(gone, Err(ManageError::NoSuchKey)), "{gone:?}");
        let log = bench.actions(id, Environment::Production).await;
        assert_eq!(log.last(), Some(&Action::OrganizationClosed));
        assert_eq!(bench.actions(id, Environment::Test).await, [Action::AccessKeyCreated]);
    }
}

#[tokio::test(start_paused = true)]
async fn every_node_refuses_the_keys_when_the_change_returns() {
    let core = simulated();
    let nodes = [Verifier::start_in_runtime(&core).await.unwrap(), Verifier::start_in_runtime(&core).await.unwrap()];
    for (name, issuer) in [("A", Issuer::new(&core)), ("B", Issuer::beside(&nodes[0]))] {
        let made = issuer.provision(name.parse().unwrap(), &request()).await.unwrap();
        let (id, key) = (made.organization.id, made.value.expose().as_bytes());
        let answers = || nodes.each_ref().map(|node| node.verify(key).err());
        for _ in 0..3 {
            let receipt = issuer.suspend(id, None, &request()).await.unwrap().receipt;
            assert_eq!(answers(), [Some(VerifyError::Suspended); 2]);
            assert_eq!((receipt.nodes().acknowledged, receipt.nodes().expired), (2, 0));
            assert!(receipt.waited() < Duration::from_millis(50), "{:?}", receipt.waited());
            issuer.resume(id, &request()).await.unwrap();
            assert_eq!(answers(), [None; 2]);
        }
        let receipt = issuer.close(id, Duration::ZERO, &request()).await.unwrap().receipt;
        assert_eq!(answers(), [Some(VerifyError::Unknown); 2]);
        assert_eq!((receipt.nodes().acknowledged, receipt.nodes().expired), (2, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_suspension_waits_for_a_silent_node_until_its_lease_ends() {
    let core = simulated();
    let issuer = Issuer::new(&core);
    let id = issuer.provision(acme(), &request()).await.unwrap().organization.id;
    let lease = LeaseConfig::default().lease();
    silent(&core, lease).await;
    let receipt = issuer.suspend(id, None, &request()).await.unwrap().receipt;
    assert!(receipt.waited() >= LeaseConfig::writer_wait(lease), "{:?}", receipt.waited());
    assert_eq!(receipt.nodes().expired, 1);
    // The answer that nothing changes waits as well.
    let again = issuer.suspend(id, None, &request()).await;
    assert!(matches!(again, Err(ManageError::StateUnchanged)), "{again:?}");
}
