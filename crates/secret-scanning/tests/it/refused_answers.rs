//! The answers of the key server that are refused.

use std::error::Error;
use std::sync::Arc;

use doorward_secret_scanning::client::{Client, SendError};
use doorward_secret_scanning::{FetchError, PartnerKeys, ReportError};
use doorward_types::ManualClock;
use http::StatusCode;
use tokio::net::TcpListener;

use crate::support::{BODY, KeyServer, MINUTE, Signer, World, comes, texts};

/// Sends a report while the server answers with this. Returns the reason why there are no keys.
async fn fault_of(world: &World, signer: &Signer) -> FetchError {
    world.clock.advance(MINUTE);
    match world.report(signer).await {
        Err(ReportError::KeysUnavailable(fault)) => fault,
        other => panic!("the keys are not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (world, elsewhere) = (World::new().await, KeyServer::start().await);
    let signer = Signer::new("a");
    elsewhere.publishes(&[&signer]);
    for status in [301, 302, 303, 307, 308] {
        let status = StatusCode::from_u16(status).unwrap();
        world.server.redirects(status, &elsewhere.url);
        assert!(matches!(fault_of(&world, &signer).await, FetchError::Status(of) if of == status));
    }
    assert_eq!((world.server.fetches(), elsewhere.fetches()), (5, 0));
}

#[tokio::test]
async fn a_list_with_an_error_status_is_refused() {
    let world = World::new().await;
    let signer = Signer::new("a");
    world.server.publishes(&[&signer]);
    for status in [StatusCode::FORBIDDEN, StatusCode::NOT_FOUND, StatusCode::TOO_MANY_REQUESTS] {
        world.server.answers(status, r#"{"public_keys":[]}"#);
        assert!(matches!(fault_of(&world, &signer).await, FetchError::Status(of) if of == status));
    }
}

#[tokio::test]
async fn an_answer_of_another_form_is_refused_and_not_quoted() {
    let world = World::new().await;
    let signer = Signer::new("a");
    for body in ["", "quoted", r#"{"public_keys":"quoted"}"#, r#"{"public_keys":[{"key":"quoted"}]}"#] {
        world.server.answers(StatusCode::OK, body);
        let fault = fault_of(&world, &signer).await;
        assert!(matches!(fault, FetchError::Malformed { .. }), "{body}: {fault}");
        let texts = texts(&ReportError::KeysUnavailable(fault));
        assert!(!texts.contains("quoted"), "{texts}");
    }
    for body in
        [r#"{"public_keys":[]}"#, r#"{"public_keys":[{"key_identifier":"a","key":"quoted","is_current":true}]}"#]
    {
        world.server.answers(StatusCode::OK, body);
        assert!(matches!(fault_of(&world, &signer).await, FetchError::NoUsableKey));
    }
}

#[tokio::test]
async fn a_long_answer_is_refused() {
    let world = World::new().await;
    let signer = Signer::new("a");
    // Beyond 1 MiB, the client stops reading.
    world.server.answers(StatusCode::OK, " ".repeat(64 * 1024 + 1));
    assert!(matches!(fault_of(&world, &signer).await, FetchError::TooLarge));
    world.server.answers(StatusCode::OK, " ".repeat(1024 * 1024 + 1));
    assert!(matches!(fault_of(&world, &signer).await, FetchError::Send(SendError::Unreachable(_))));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_given_up() {
    let world = World::new().await;
    let signer = Signer::new("a");
    world.server.publishes(&[&signer]);
    world.server.hold();
    let started = tokio::time::Instant::now();
    let result = world.keys.verify(&signer.sign(BODY), BODY).await;
    assert!(
        matches!(result, Err(ReportError::KeysUnavailable(FetchError::Send(SendError::TimedOut(_))))),
        "{result:?}"
    );
    assert_eq!(started.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn a_broken_connection_makes_the_keys_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            // The connection is closed at once.
            drop(listener.accept().await.unwrap());
        }
    });
    let keys = PartnerKeys::new(Client::new().unwrap(), url.parse().unwrap(), Arc::new(ManualClock::default()));
    let error = comes(keys.verify(&Signer::new("a").sign(BODY), BODY)).await.unwrap_err();
    assert!(matches!(error, ReportError::KeysUnavailable(FetchError::Send(SendError::Unreachable(_)))), "{error:?}");
    assert!(!error.is_fault_of_sender() && error.source().is_some());
}
