//! Reports from outside that a key has leaked, on every engine: each policy, at every place where a key is verified.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use doorward_audit::{Action, ActorId, Event};
use doorward_auth::{
    Issuer, LeakHandled, LeakPolicies, LeakPolicy, LeakReport, LeakedKey, ManageError, Reported, StagedKey, Verifier,
    VerifyError,
};
use doorward_store::{EventFilter, IdempotencyKey};
use doorward_types::{AccessKeyId, Environment};

use crate::life_of_a_key::benches;
use crate::support::{guess_of, operator, request, simulated};

fn policies(policy: LeakPolicy) -> LeakPolicies {
    LeakPolicies::default().with_production(policy).with_test(policy)
}

fn leaked(verifier: &Verifier, value: &[u8]) -> LeakedKey {
    match verifier.reported(value) {
        Reported::InForce(leaked) => leaked,
        other => panic!("{other:?}"),
    }
}

/// Reports a value, as the server does.
async fn report(issuer: &Issuer, verifier: &Verifier, value: &[u8], policy: LeakPolicy) -> Option<LeakHandled> {
    let report = LeakReport::default()
        .with_reporter("GitHub: commit".parse().ok())
        .with_url("https://github.com/acme/app/blob/main/.env".to_owned())
        .with_source_address(Some([192, 0, 2, 7].into()));
    issuer.report(&leaked(verifier, value), &report, policies(policy)).await.unwrap()
}

#[tokio::test]
async fn a_quarantined_secret_is_refused_everywhere_until_an_operator_decides() {
    for bench in benches().await {
        let (issuer, verifier) = (&bench.issuer, &bench.verifier);
        let acme = issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
        let staged = issuer.stage(acme.organization.id, &request()).await.unwrap();
        let value = acme.value.expose().as_bytes();

        let held = VerifyError::Quarantined(leaked(verifier, value).known_key());
        let handled = report(issuer, verifier, value, LeakPolicy::Quarantine).await.unwrap();
        assert_eq!((handled.policy, handled.receipt.nodes().acknowledged), (LeakPolicy::Quarantine, 1));
        assert_eq!(verifier.verify(value).unwrap_err(), held);
        assert_eq!(verifier.authenticate(value).unwrap_err(), held);
        assert_eq!(verifier.authenticate_strictly(value).await.unwrap_err(), held);
        let late = Verifier::start(verifier.core()).await.unwrap();
        assert_eq!(late.verify(value).unwrap_err(), held);
        late.stop().await;
        // The next key of the same organization works on, and no guess learns of the quarantine.
        assert!(bench.accepts(&staged.value));
        let guess = guess_of(acme.value.expose());
        assert_eq!(verifier.verify(guess.as_bytes()).unwrap_err(), VerifyError::Unknown);
        assert!(matches!(verifier.reported(guess.as_bytes()), Reported::Unknown));

        // More reports change nothing and write nothing.
        assert!(report(issuer, verifier, value, LeakPolicy::Quarantine).await.is_none());
        assert!(report(issuer, verifier, value, LeakPolicy::Notify).await.is_none());

        let (id, key) = (acme.organization.id, acme.key.id);
        // A suspended organization is the reason that comes first.
        issuer.suspend(id, None, &request()).await.unwrap();
        assert_eq!(verifier.verify(value).unwrap_err(), VerifyError::Suspended);
        issuer.resume(id, &request()).await.unwrap();
        assert_eq!(verifier.verify(value).unwrap_err(), held);

        let (secret, once) = (acme.secret.locator, "once".parse::<IdempotencyKey>().unwrap());
        let asked = request().with_idempotency_key(once);
        issuer.release(id, key, secret, &asked).await.unwrap();
        assert!(bench.accepts(&acme.value));
        let repeated = issuer.release(id, key, secret, &asked).await;
        assert!(matches!(repeated, Err(ManageError::AlreadyDone { .. })), "{repeated:?}");
        let again = issuer.release(id, key, secret, &request()).await;
        assert!(matches!(again, Err(ManageError::StateUnchanged)), "{again:?}");
        for (key, secret) in [(AccessKeyId::from_u128(7), secret), (key, "0123456789".parse().unwrap())] {
            let nobody = issuer.release(id, key, secret, &request()).await;
            assert!(matches!(nobody, Err(ManageError::NoSuchKey)), "{nobody:?}");
        }
        // The decision has ended this report. Another one begins again: first for people, and then by another policy.
        assert!(report(issuer, verifier, value, LeakPolicy::Notify).await.is_some());
        assert!(bench.accepts(&acme.value));
        assert!(report(issuer, verifier, value, LeakPolicy::Notify).await.is_none());
        assert!(report(issuer, verifier, value, LeakPolicy::Quarantine).await.is_some());
        assert_eq!(verifier.verify(value).unwrap_err(), held);
        let filter = EventFilter::default();
        let events = bench.events(id, Environment::Production, &filter).await;
        let told =
            |event: &Event| (event.draft.action, event.draft.detail.before.len(), event.draft.detail.after.len());
        let of_reports = [Action::AccessKeyReleased, Action::AccessKeyReportedLeaked];
        let of_reports = events.iter().rev().map(told).filter(|(action, ..)| of_reports.contains(action));
        let [released, reported] = [Action::AccessKeyReleased, Action::AccessKeyReportedLeaked];
        assert_eq!(
            of_reports.collect::<Vec<_>>(),
            [(reported, 2, 1), (released, 1, 2), (reported, 2, 2), (reported, 2, 1)]
        );
    }
}

#[tokio::test]
async fn a_quarantine_ends_with_the_secret() {
    for bench in benches().await {
        let (issuer, verifier) = (&bench.issuer, &bench.verifier);
        let acme = issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
        let id = acme.organization.id;
        let staged = issuer.stage(id, &request()).await.unwrap();
        // The mark of a staged secret goes with it.
        report(issuer, verifier, staged.value.expose().as_bytes(), LeakPolicy::Quarantine).await.unwrap();
        assert!(bench.accepts(&acme.value));
        // A next key that is refused takes nobody's place.
        let refused = issuer.regenerate(id, StagedKey::Promote, &request()).await;
        assert!(matches!(refused, Err(ManageError::StagedQuarantined)), "{refused:?}");
        assert!(bench.accepts(&acme.value));
        let fresh = issuer.regenerate(id, StagedKey::Discard, &request()).await.unwrap().value.into_fresh().unwrap();
        assert!(bench.accepts(&fresh));
        let found = issuer.access_key(&operator(), id, acme.key.id).await.unwrap();
        assert!(found.secrets.iter().all(|secret| secret.reported_at.is_none() && secret.quarantined_at.is_none()));
        assert!(matches!(verifier.reported(staged.value.expose().as_bytes()), Reported::Dead));
    }
}

#[tokio::test]
async fn a_revoked_report_kills_the_secret_and_nothing_else() {
    for bench in benches().await {
        let (issuer, verifier) = (&bench.issuer, &bench.verifier);
        let acme = issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
        let id = acme.organization.id;
        let test = issuer.create(id, "ci".parse().unwrap(), &request()).await.unwrap();
        let staged = issuer.stage(id, &request()).await.unwrap();

        report(issuer, verifier, acme.value.expose().as_bytes(), LeakPolicy::Revoke).await.unwrap();
        assert!(!bench.accepts(&acme.value) && bench.accepts(&staged.value) && bench.accepts(&test.value));
        assert!(matches!(verifier.reported(acme.value.expose().as_bytes()), Reported::Dead));
        // Without a staged secret, a fresh secret takes its place. Nobody knows its value.
        report(issuer, verifier, staged.value.expose().as_bytes(), LeakPolicy::Revoke).await.unwrap();
        assert!(!bench.accepts(&staged.value));
        let found = issuer.access_key(&operator(), id, acme.key.id).await.unwrap();
        assert_eq!((found.secrets.len(), found.generations), (1, 3));
        let next = issuer.stage(id, &request()).await.unwrap();
        report(issuer, verifier, next.value.expose().as_bytes(), LeakPolicy::Revoke).await.unwrap();
        assert!(!bench.accepts(&next.value));
        report(issuer, verifier, test.value.expose().as_bytes(), LeakPolicy::Revoke).await.unwrap();
        assert!(!bench.accepts(&test.value));
        let log = bench.actions(id, Environment::Production).await;
        let expected = [
            Action::AccessKeyReportedLeaked,
            Action::AccessKeyRegenerated,
            Action::AccessKeyReportedLeaked,
            Action::AccessKeyRegenerated,
            Action::AccessKeyStaged,
            Action::AccessKeyReportedLeaked,
            Action::AccessKeyStageDiscarded,
        ];
        assert!(log.ends_with(&expected), "{log:?}");
        let log = bench.actions(id, Environment::Test).await;
        assert_eq!(log, [Action::AccessKeyCreated, Action::AccessKeyReportedLeaked, Action::AccessKeyDeleted]);
    }
}

#[tokio::test]
async fn a_staged_secret_that_was_reported_is_not_promoted_by_a_report() {
    for bench in benches().await {
        let (issuer, verifier) = (&bench.issuer, &bench.verifier);
        let acme = issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
        let staged = issuer.stage(acme.organization.id, &request()).await.unwrap();
        report(issuer, verifier, staged.value.expose().as_bytes(), LeakPolicy::Notify).await.unwrap();
        assert!(bench.accepts(&staged.value), "a notification changes nothing for callers");
        report(issuer, verifier, acme.value.expose().as_bytes(), LeakPolicy::Revoke).await.unwrap();
        assert!(!bench.accepts(&acme.value) && !bench.accepts(&staged.value));
    }
}

#[tokio::test]
async fn the_event_says_who_reported_what_and_only_a_value_is_a_report() {
    for bench in benches().await {
        let (issuer, verifier) = (&bench.issuer, &bench.verifier);
        let acme = issuer.provision("Acme".parse().unwrap(), &request()).await.unwrap();
        report(issuer, verifier, acme.value.expose().as_bytes(), LeakPolicy::Notify).await.unwrap();
        let filter = EventFilter { action: Some(Action::AccessKeyReportedLeaked), ..EventFilter::default() };
        let [event] = &bench.events(acme.organization.id, Environment::Production, &filter).await[..] else {
            panic!("not one event");
        };
        assert_eq!(event.draft.actor_id, Some(ActorId::SERVER));
        assert_eq!(event.draft.source_address, Some([192, 0, 2, 7].into()));
        let detail = &event.draft.detail;
        assert_eq!(detail.note.as_ref().unwrap().as_str(), "GitHub: commit");
        assert_eq!(detail.urls_after, ["https://github.com/acme/app/blob/main/.env"]);
        assert_eq!(detail.before, detail.after, "the key still works");
        // The public part of a key alone is no report, and neither is a forged value.
        let name = acme.value.expose().rsplit_once('_').unwrap().0.to_owned();
        let forged = guess_of(acme.value.expose());
        for text in [name.as_bytes(), forged.as_bytes(), b"", b"dw_prod_"] {
            assert!(matches!(verifier.reported(text), Reported::Unknown), "{text:?}");
        }
    }
}

/// The report and another change of the same key are made at the same moment: whatever comes first, no value is revived.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_beside_another_change_of_the_key_ends_in_order() {
    for bench in benches().await {
        let (issuer, verifier) = (&bench.issuer, &bench.verifier);
        for policy in LeakPolicy::ALL {
            let acme = issuer.provision(format!("Acme {policy}").parse().unwrap(), &request()).await.unwrap();
            let id = acme.organization.id;
            let reported = leaked(verifier, acme.value.expose().as_bytes());
            let (facts, asked) = (LeakReport::default(), request());
            let report = issuer.report(&reported, &facts, policies(policy));
            let (handled, changed) = tokio::join!(report, issuer.regenerate(id, StagedKey::Discard, &asked));
            handled.unwrap();
            assert!(matches!(changed, Ok(_) | Err(ManageError::ChangedMeanwhile)), "{changed:?}");
            assert_eq!(bench.accepts(&acme.value), policy == LeakPolicy::Notify && changed.is_err(), "{policy}");
            let test = issuer.create(id, "ci".parse().unwrap(), &request()).await.unwrap();
            let reported = leaked(verifier, test.value.expose().as_bytes());
            let report = issuer.report(&reported, &facts, policies(policy));
            let (handled, deleted) = tokio::join!(report, issuer.delete(id, test.key.id, &asked));
            handled.unwrap();
            let is_gone = matches!(deleted, Ok(_) | Err(ManageError::NoSuchKey | ManageError::ChangedMeanwhile));
            assert!(is_gone, "{deleted:?}");
            assert_eq!(bench.accepts(&test.value), policy == LeakPolicy::Notify && deleted.is_err(), "{policy}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_node_refuses_a_quarantined_key_when_the_report_returns() {
    let core = simulated();
    let nodes = [Verifier::start_in_runtime(&core).await.unwrap(), Verifier::start_in_runtime(&core).await.unwrap()];
    let issuer = Issuer::new(&core);
    let made = issuer.provision("A".parse().unwrap(), &request()).await.unwrap();
    let key = made.value.expose().as_bytes();
    let answers = || nodes.each_ref().map(|node| node.verify(key).err());
    let held = VerifyError::Quarantined(leaked(&nodes[0], key).known_key());
    let handled = report(&issuer, &nodes[0], key, LeakPolicy::Quarantine).await.unwrap();
    assert_eq!(answers(), [Some(held); 2]);
    assert_eq!((handled.receipt.nodes().acknowledged, handled.receipt.nodes().expired), (2, 0));
    issuer.release(made.organization.id, made.key.id, made.secret.locator, &request()).await.unwrap();
    assert_eq!(answers(), [None; 2]);
}
