//! The times at which the public keys are fetched.

use std::time::Duration;

use doorward_secret_scanning::{FetchError, ReportError};
use http::StatusCode;
use tokio::task::JoinSet;

use crate::support::{BODY, DAY, MINUTE, Signer, World, comes};

/// The smallest step of the clock in these tests.
const SECOND: Duration = Duration::from_secs(1);

fn is_unknown<T>(result: &Result<T, ReportError>) -> bool {
    matches!(result, Err(ReportError::UnknownKey))
}

fn is_paused<T>(result: &Result<T, ReportError>) -> bool {
    matches!(result, Err(ReportError::KeysUnavailable(FetchError::Paused)))
}

fn has_status<T>(result: &Result<T, ReportError>, status: StatusCode) -> bool {
    matches!(result, Err(ReportError::KeysUnavailable(FetchError::Status(of))) if *of == status)
}

#[tokio::test]
async fn keys_are_fetched_by_the_first_report_and_used_for_a_day() {
    let world = World::new().await;
    let signer = Signer::new("a");
    world.server.publishes(&[&signer]);
    assert_eq!(world.server.fetches(), 0);
    for _ in 0..3 {
        assert!(world.report(&signer).await.is_ok());
    }
    world.clock.advance(DAY - SECOND);
    assert!(world.report(&signer).await.is_ok());
    assert_eq!(world.server.fetches(), 1);
    world.clock.advance(SECOND);
    assert!(world.report(&signer).await.is_ok() && world.report(&signer).await.is_ok());
    assert_eq!(world.server.fetches(), 2);
}

#[tokio::test]
async fn clones_share_the_keys() {
    let world = World::new().await;
    let signer = Signer::new("a");
    world.server.publishes(&[&signer]);
    let clone = world.keys.clone();
    assert!(clone.verify(&signer.sign(BODY), BODY).await.is_ok() && world.report(&signer).await.is_ok());
    assert_eq!(world.server.fetches(), 1);
}

#[tokio::test]
async fn concurrent_reports_cause_one_fetch() {
    let world = World::new().await;
    let signers = ["a", "b", "unknown"].map(Signer::new);
    world.server.publishes(&[&signers[0], &signers[1]]);
    world.server.hold();
    let mut reports = JoinSet::new();
    for number in 0..30 {
        let (keys, headers) = (world.keys.clone(), signers[number % 3].sign(BODY));
        reports.spawn(async move { keys.verify(&headers, BODY).await });
    }
    world.server.until_fetched(1).await;
    world.server.go_on();
    let results = comes(reports.join_all()).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 20);
    assert_eq!(results.iter().filter(|result| is_unknown(result)).count(), 10);
    assert_eq!(world.server.fetches(), 1);
}

#[tokio::test]
async fn concurrent_reports_share_a_failed_fetch() {
    let world = World::new().await;
    let signer = Signer::new("a");
    world.server.answers(StatusCode::BAD_GATEWAY, "");
    world.server.hold();
    let mut reports = JoinSet::new();
    for _ in 0..10 {
        let (keys, headers) = (world.keys.clone(), signer.sign(BODY));
        reports.spawn(async move { keys.verify(&headers, BODY).await });
    }
    world.server.until_fetched(1).await;
    world.server.go_on();
    let results = comes(reports.join_all()).await;
    assert_eq!(results.iter().filter(|result| has_status(result, StatusCode::BAD_GATEWAY)).count(), 1);
    assert_eq!(results.iter().filter(|result| is_paused(result)).count(), 9);
    assert_eq!(world.server.fetches(), 1);
}

#[tokio::test]
async fn known_keys_do_not_wait_for_a_fetch() {
    let world = World::new().await;
    let [known, unknown] = ["known", "unknown"].map(Signer::new);
    world.server.publishes(&[&known]);
    assert!(world.report(&known).await.is_ok());
    world.clock.advance(MINUTE);
    world.server.hold();
    let (keys, headers) = (world.keys.clone(), unknown.sign(BODY));
    let waiting = tokio::spawn(async move { keys.verify(&headers, BODY).await });
    world.server.until_fetched(2).await;
    assert!(world.report(&known).await.is_ok());
    world.server.go_on();
    assert!(is_unknown(&comes(waiting).await.unwrap()));
}

#[tokio::test]
async fn a_sender_that_disconnects_does_not_interrupt_the_fetch() {
    let world = World::new().await;
    let signer = Signer::new("a");
    world.server.publishes(&[&signer]);
    world.server.hold();
    let (keys, headers) = (world.keys.clone(), signer.sign(BODY));
    let report = tokio::spawn(async move { keys.verify(&headers, BODY).await });
    world.server.until_fetched(1).await;
    report.abort();
    assert!(comes(report).await.unwrap_err().is_cancelled());
    world.server.go_on();
    assert!(world.report(&signer).await.is_ok());
    assert_eq!(world.server.fetches(), 1);
}

#[tokio::test]
async fn unknown_identifiers_cause_at_most_one_fetch_a_minute() {
    let world = World::new().await;
    let [old, new] = ["old", "new"].map(Signer::new);
    world.server.publishes(&[&old]);
    assert!(world.report(&old).await.is_ok());
    world.server.publishes(&[&old, &new]);
    assert!(is_unknown(&world.report(&new).await));
    world.clock.advance(MINUTE - SECOND);
    assert!(is_unknown(&world.report(&new).await));
    assert_eq!(world.server.fetches(), 1);
    world.clock.advance(SECOND);
    assert!(world.report(&new).await.is_ok() && world.report(&old).await.is_ok());
    assert_eq!(world.server.fetches(), 2);
    for (number, identifier) in ["b", "c", "d"].into_iter().enumerate() {
        world.clock.advance(MINUTE);
        let made_up = Signer::new(identifier);
        for _ in 0..5 {
            assert!(is_unknown(&world.report(&made_up).await));
        }
        assert_eq!(world.server.fetches(), 3 + number);
    }
}

#[tokio::test]
async fn a_failed_fetch_is_repeated_after_a_minute() {
    let world = World::new().await;
    let signer = Signer::new("a");
    world.server.answers(StatusCode::SERVICE_UNAVAILABLE, "");
    let failed = world.report(&signer).await;
    assert!(has_status(&failed, StatusCode::SERVICE_UNAVAILABLE) && !failed.unwrap_err().is_fault_of_sender());
    world.server.publishes(&[&signer]);
    let paused = world.report(&signer).await;
    assert!(is_paused(&paused) && !paused.unwrap_err().is_fault_of_sender());
    world.clock.advance(MINUTE - SECOND);
    assert!(is_paused(&world.report(&signer).await));
    assert_eq!(world.server.fetches(), 1);
    world.clock.advance(SECOND);
    assert!(world.report(&signer).await.is_ok());
    assert_eq!(world.server.fetches(), 2);
}

#[tokio::test]
async fn expired_keys_verify_nothing_if_the_fetch_fails() {
    let world = World::new().await;
    let signer = Signer::new("a");
    world.server.publishes(&[&signer]);
    assert!(world.report(&signer).await.is_ok());
    world.server.answers(StatusCode::INTERNAL_SERVER_ERROR, "");
    world.clock.advance(DAY);
    assert!(has_status(&world.report(&signer).await, StatusCode::INTERNAL_SERVER_ERROR));
    assert!(is_paused(&world.report(&signer).await));
    assert_eq!(world.server.fetches(), 2);
    world.clock.advance(MINUTE);
    assert!(has_status(&world.report(&signer).await, StatusCode::INTERNAL_SERVER_ERROR));
    world.clock.advance(MINUTE);
    world.server.publishes(&[&signer]);
    assert!(world.report(&signer).await.is_ok());
    assert_eq!(world.server.fetches(), 4);
}

#[tokio::test]
async fn a_failed_fetch_leaves_known_keys_usable_and_prolongs_nothing() {
    let world = World::new().await;
    let [known, unknown] = ["known", "unknown"].map(Signer::new);
    world.server.publishes(&[&known]);
    assert!(world.report(&known).await.is_ok());
    world.server.answers(StatusCode::INTERNAL_SERVER_ERROR, "");
    world.clock.advance(DAY - SECOND);
    // The identifier may be on the new list, so the sender is not at fault.
    assert!(has_status(&world.report(&unknown).await, StatusCode::INTERNAL_SERVER_ERROR));
    assert!(is_paused(&world.report(&unknown).await) && world.report(&known).await.is_ok());
    world.clock.advance(SECOND);
    assert!(is_paused(&world.report(&known).await));
    assert_eq!(world.server.fetches(), 2);
}

#[tokio::test]
async fn a_withdrawn_key_loses_its_effect_with_the_next_fetch() {
    let world = World::new().await;
    let [withdrawn, new] = ["withdrawn", "new"].map(Signer::new);
    world.server.publishes(&[&withdrawn]);
    assert!(world.report(&withdrawn).await.is_ok());
    world.server.publishes(&[&new]);
    world.clock.advance(MINUTE);
    assert!(world.report(&new).await.is_ok() && is_unknown(&world.report(&withdrawn).await));
}
