//! Keys that another service made: they work, and die, like our own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use doorward_audit::Action;
use doorward_auth::{
    Core, ImportOwner, ImportedKey, Issuer, KeyImport, LeakPolicies, LeakPolicy, LeakReport, ManageError, Reported,
    StagedKey, Verifier, VerifyError,
};
use doorward_key::{ImportFormat, ImportedDigest, KeyError, KeyPrefix, PresentedForeignKey};
use doorward_store::IdempotencyKey;
use doorward_store_memory::MemoryStore;
use doorward_types::{Environment, OrganizationId, SecretState, Timestamp};

use crate::life_of_a_key::{Bench, benches};
use crate::support::{operator, request};

/// Returns what another service stores of a text: the hash is the library's, the vectors of the key crate prove it.
fn digest(text: &str, format: ImportFormat) -> ImportedDigest {
    PresentedForeignKey::peek(&KeyPrefix::default(), text.as_bytes()).unwrap().digest(format).unwrap()
}

fn into_new(text: &str) -> KeyImport {
    let owner = ImportOwner::New("Acme".parse().unwrap());
    KeyImport::new(owner, Environment::Production, digest(text, ImportFormat::Sha256))
}

fn into(organization: OrganizationId, environment: Environment, digest: ImportedDigest) -> KeyImport {
    KeyImport::new(ImportOwner::Existing(organization), environment, digest)
}

async fn imported(bench: &Bench, import: KeyImport) -> ImportedKey {
    bench.issuer.import(import, &request()).await.unwrap()
}

async fn refused(bench: &Bench, import: KeyImport) -> ManageError {
    bench.issuer.import(import, &request()).await.unwrap_err()
}

const FIRST: &str = "sk_live_51H8zTqLw0p9vYbN3cXe2Rk7";
const SECOND: &str = "aPdWuRbN.kJ3mQx8vZc2tYh6nLs9fGw1pEr5uTb7D";
const THIRD: &str = "mycompany_BRTRKFsL_51FwqftsmMDHHbJAMEXXHCgG";

/// The node accepts the text, in memory and by a read of the store.
async fn accepts(bench: &Bench, text: &str) -> bool {
    let strictly = bench.verifier.authenticate_strictly(text.as_bytes()).await.is_ok();
    let accepted = bench.verifier.authenticate(text.as_bytes()).is_ok();
    assert_eq!((strictly, bench.verifier.verify(text.as_bytes()).is_ok()), (accepted, accepted), "{text}");
    accepted
}

#[tokio::test]
async fn an_imported_production_key_works_until_it_is_regenerated() {
    for bench in benches().await {
        assert!(!accepts(&bench, FIRST).await);
        let made = imported(&bench, into_new(FIRST)).await;
        let acme = made.key.organization;
        assert_eq!(made.receipt.unwrap().nodes().acknowledged, 1);
        let principal = bench.verifier.authenticate(FIRST.as_bytes()).unwrap();
        assert_eq!(
            (principal.key_id(), principal.environment(), principal.locator()),
            (made.key.id, Environment::Production, made.secret.locator)
        );
        assert_eq!(bench.verifier.verify(FIRST.as_bytes()).unwrap().locator(), made.secret.locator);
        assert!(accepts(&bench, FIRST).await);
        for wrong in [&FIRST[1..], &format!("{FIRST}x"), &FIRST.to_uppercase(), SECOND] {
            assert!(!accepts(&bench, wrong).await, "{wrong}");
        }

        // The next key has our own format, and the mark goes with the old one.
        let staged = bench.issuer.stage(acme, &request()).await.unwrap();
        let keys = bench.issuer.access_keys(&operator(), acme).await.unwrap();
        let marks: Vec<_> = keys[0].secrets.iter().map(|secret| secret.imported).collect();
        assert_eq!(marks, [Some(ImportFormat::Sha256), None]);
        bench.issuer.regenerate(acme, StagedKey::Promote, &request()).await.unwrap();
        assert!(!accepts(&bench, FIRST).await, "the old key works after the answer");
        let remembered = bench.verifier.authenticate(FIRST.as_bytes());
        assert!(matches!(remembered, Err(VerifyError::Revoked(key)) if key.key == made.key.id), "{remembered:?}");
        assert!(bench.verifier.verify(staged.value.expose().as_bytes()).is_ok());
        let keys = bench.issuer.access_keys(&operator(), acme).await.unwrap();
        assert_eq!(keys[0].secrets[0].imported, None);
        assert_eq!(
            bench.actions(acme, Environment::Production).await,
            [
                Action::OrganizationCreated,
                Action::AccessKeyImported,
                Action::AccessKeyStaged,
                Action::AccessKeyRegenerated
            ]
        );
    }
}

#[tokio::test]
async fn a_second_production_key_is_staged_and_a_third_is_refused() {
    for bench in benches().await {
        let acme = imported(&bench, into_new(FIRST)).await.key.organization;
        let second = imported(&bench, into(acme, Environment::Production, digest(SECOND, ImportFormat::Sha512))).await;
        assert_eq!((second.secret.state, second.secret.generation), (SecretState::Staged, 2));
        assert!(accepts(&bench, FIRST).await && accepts(&bench, SECOND).await);
        let third = into(acme, Environment::Production, digest(THIRD, ImportFormat::PrefixedApiKey));
        assert!(matches!(refused(&bench, third.clone()).await, ManageError::AlreadyStaged));
        assert!(!accepts(&bench, THIRD).await);
        bench.issuer.unstage(acme, &request()).await.unwrap();
        assert!(accepts(&bench, FIRST).await && !accepts(&bench, SECOND).await);
        imported(&bench, third).await;
        assert!(accepts(&bench, THIRD).await);
    }
}

#[tokio::test]
async fn a_test_key_opens_the_test_environment_alone_and_dies_with_its_deletion() {
    for bench in benches().await {
        let acme = bench.issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap().organization.id;
        let mut import = into(acme, Environment::Test, digest(THIRD, ImportFormat::PrefixedApiKey));
        (import.name, import.created_at) = (Some("ci".parse().unwrap()), Some(Timestamp::from_millis(5)));
        let made = imported(&bench, import.clone()).await;
        assert_eq!((made.key.name.as_str(), made.secret.created_at), ("ci", Timestamp::from_millis(5)));
        let principal = bench.verifier.authenticate(THIRD.as_bytes()).unwrap();
        assert_eq!((principal.environment(), principal.scope().environment()), (Environment::Test, Environment::Test));
        // The part that is hashed is no key, nor is it with another handle.
        for wrong in ["51FwqftsmMDHHbJAMEXXHCgG", "mycompany_CRTRKFsL_51FwqftsmMDHHbJAMEXXHCgG"] {
            assert!(!accepts(&bench, wrong).await, "{wrong}");
        }
        bench.issuer.delete(acme, made.key.id, &request()).await.unwrap();
        assert!(!accepts(&bench, THIRD).await);
        assert!(matches!(refused(&bench, import).await, ManageError::ImportRevoked));
        assert!(!accepts(&bench, THIRD).await, "a revoked key was brought back");
        let events = bench.actions(acme, Environment::Test).await;
        assert_eq!(events, [Action::AccessKeyImported, Action::AccessKeyDeleted]);
    }
}

#[tokio::test]
async fn a_repeat_changes_nothing_and_a_key_has_one_owner() {
    for bench in benches().await {
        let made = imported(&bench, into_new(FIRST)).await;
        let acme = made.key.organization;
        let before = bench.actions(acme, Environment::Production).await;
        for again in [into_new(FIRST), into(acme, Environment::Production, digest(FIRST, ImportFormat::Sha256))] {
            let known = imported(&bench, again).await;
            assert_eq!((known.key.id, known.secret, known.receipt), (made.key.id, made.secret, None));
        }
        let other = bench.issuer.provision("Other".parse().unwrap(), &request()).await.unwrap().organization.id;
        for elsewhere in [
            into(other, Environment::Production, digest(FIRST, ImportFormat::Sha256)),
            into(acme, Environment::Test, digest(FIRST, ImportFormat::Sha256)),
        ] {
            assert!(matches!(refused(&bench, elsewhere).await, ManageError::ImportedElsewhere));
        }
        assert_eq!(bench.actions(acme, Environment::Production).await, before);
        assert_eq!(bench.actions(acme, Environment::Test).await, []);

        bench.issuer.regenerate(acme, StagedKey::Promote, &request()).await.unwrap();
        let staged = into(acme, Environment::Production, digest(FIRST, ImportFormat::Sha256));
        let anew = KeyImport::new(ImportOwner::New("Anew".parse().unwrap()), Environment::Production, staged.digest);
        assert!(matches!(refused(&bench, into_new(FIRST)).await, ManageError::NameTaken));
        for revoked in [anew, staged] {
            assert!(matches!(refused(&bench, revoked).await, ManageError::ImportRevoked));
        }
        assert!(!accepts(&bench, FIRST).await);
        assert_eq!(bench.issuer.organizations_named(&operator(), &"Acme".parse().unwrap(), 9).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn an_imported_key_is_put_into_quarantine() {
    for bench in benches().await {
        let made = imported(&bench, into_new(FIRST)).await;
        let Reported::InForce(leaked) = bench.verifier.reported(FIRST.as_bytes()) else { panic!("it is in force") };
        let policies = LeakPolicies::default().with_production(LeakPolicy::Quarantine);
        bench.issuer.report(&leaked, &LeakReport::default(), policies).await.unwrap().unwrap();
        let (text, held) = (FIRST.as_bytes(), VerifyError::Quarantined(leaked.known_key()));
        assert_eq!(bench.verifier.verify(text).unwrap_err(), held);
        assert_eq!(bench.verifier.authenticate(text).unwrap_err(), held);
        assert_eq!(bench.verifier.authenticate_strictly(text).await.unwrap_err(), held);
        bench.issuer.release(made.key.organization, made.key.id, leaked.known_key().locator, &request()).await.unwrap();
        assert!(accepts(&bench, FIRST).await);
        assert!(matches!(bench.verifier.reported(SECOND.as_bytes()), Reported::Unknown));
    }
}

#[tokio::test]
async fn an_import_that_makes_no_sense_is_refused() {
    for bench in benches().await {
        let mut without_production = into_new(FIRST);
        without_production.environment = Environment::Test;
        assert!(matches!(refused(&bench, without_production).await, ManageError::NoSuchOrganization));
        for environment in Environment::ALL {
            let nowhere = into(OrganizationId::from_u128(7), environment, digest(FIRST, ImportFormat::Sha256));
            assert!(matches!(refused(&bench, nowhere).await, ManageError::NoSuchOrganization));
        }
        let mut future = into_new(FIRST);
        future.created_at = Some(Timestamp::from_millis(i64::MAX / 2));
        assert!(matches!(refused(&bench, future).await, ManageError::ImportFromFuture));
        assert!(!accepts(&bench, FIRST).await);
        // The refused import was not remembered.
        let once: IdempotencyKey = "once".parse().unwrap();
        let request = || request().with_idempotency_key(once.clone());
        bench.issuer.import(into_new(FIRST), &request()).await.unwrap();
        let repeated = bench.issuer.import(into_new(FIRST), &request()).await;
        assert!(matches!(repeated, Err(ManageError::AlreadyDone { .. })), "{repeated:?}");
    }
}

#[tokio::test]
async fn a_node_that_starts_later_knows_imported_keys_and_counts_their_uses() {
    for bench in benches().await {
        imported(&bench, into_new(FIRST)).await;
        let later = Verifier::start(&Core::new(bench.store.clone())).await.unwrap();
        let principal = later.authenticate(FIRST.as_bytes()).unwrap();
        later.stop().await;
        let keys = bench.issuer.access_keys(&operator(), principal.organization_id()).await.unwrap();
        let usage = bench.issuer.usage(&operator(), &keys).await.unwrap();
        assert_eq!(
            usage.iter().map(|usage| (usage.locator, usage.uses_last_hour)).collect::<Vec<_>>(),
            [(keys[0].secrets[0].locator, 1)]
        );
        // A node that is not current neither accepts nor refuses.
        for text in [FIRST, SECOND] {
            assert_eq!(later.authenticate(text.as_bytes()).unwrap_err(), VerifyError::NotCurrent, "{text}");
            let strictly = later.authenticate_strictly(text.as_bytes()).await;
            assert_eq!(strictly.unwrap_err(), VerifyError::NotCurrent, "{text}");
        }
    }
}

#[tokio::test]
async fn without_imported_keys_every_answer_is_as_before() {
    let core = Core::new(Arc::new(MemoryStore::new()));
    let verifier = Verifier::start(&core).await.unwrap();
    let issuer = Issuer::beside(&verifier);
    let malformed = |text: &str| {
        let fault = verifier.authenticate(text.as_bytes()).unwrap_err();
        assert_eq!(verifier.verify(text.as_bytes()).unwrap_err(), fault);
        fault
    };
    let own = issuer.provision("Other".parse().unwrap(), &request()).await.unwrap();
    let mistyped = format!("{}x", own.value.expose());
    assert_eq!(malformed(FIRST), VerifyError::Malformed(KeyError::Prefix));
    assert_eq!(malformed(&mistyped), VerifyError::Malformed(KeyError::Length));
    issuer.import(into_new(FIRST), &request()).await.unwrap();
    // A text like our own keys is explained as before. Any other may be an imported key.
    assert_eq!(malformed(&mistyped), VerifyError::Malformed(KeyError::Length));
    assert_eq!(malformed("too-short"), VerifyError::Malformed(KeyError::Alphabet));
    assert_eq!(malformed(SECOND), VerifyError::Unknown);
    assert!(verifier.authenticate(own.value.expose().as_bytes()).is_ok());
}
