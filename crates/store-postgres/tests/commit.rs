//! What becomes of a commit that is not answered: a proxy cuts the connection at the word.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use doorward_audit::{Action, Detail, EventDraft};
use doorward_key::Digest;
use doorward_store::{
    AccessKey, ChangeContext, Coherence, KeyChange, KeyStore, OpenMode, Organization, Page, Revision, Secret,
    StoreError,
};
use doorward_store_postgres::PostgresStore;
use doorward_types::{AccessKeyId, Environment, OrganizationId, SecretState, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the proxy does at COMMIT.
const PASS: u8 = 0;
/// Lets it through, and cuts the connection before the answer.
const CUT_AFTER: u8 = 1;
/// Keeps it, and cuts the connection.
const CUT_BEFORE: u8 = 2;
/// Lets it through, cuts the connection, and lets no one in any more.
const CUT_ALL: u8 = 3;

/// A proxy in front of the server; the URL through it.
async fn proxied(url: &str, at_commit: Arc<AtomicU8>) -> String {
    let server = support::server();
    let address = server.split('@').nth(1).unwrap().split('/').next().unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let through = url.replace(&address, &listener.local_addr().unwrap().to_string());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            if at_commit.load(Ordering::SeqCst) == CUT_ALL {
                continue;
            }
            let server = TcpStream::connect(&address).await.unwrap();
            tokio::spawn(forward(client, server, Arc::clone(&at_commit)));
        }
    });
    through
}

async fn forward(mut client: TcpStream, mut server: TcpStream, at_commit: Arc<AtomicU8>) {
    let (mut from_client, mut from_server) = ([0; 65_536], [0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let Ok(count @ 1..) = read else { return };
                let sent = &from_client[..count];
                let mode = at_commit.load(Ordering::SeqCst);
                let cut = mode != PASS && sent.windows(7).any(|word| word == b"COMMIT\0");
                if cut && mode == CUT_BEFORE {
                    return;
                }
                if server.write_all(sent).await.is_err() {
                    return;
                }
                if cut {
                    // The server has it; nobody will hear what came of it.
                    let _ = server.read(&mut from_server).await;
                    return;
                }
            }
            read = server.read(&mut from_server) => {
                let Ok(count @ 1..) = read else { return };
                if client.write_all(&from_server[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn provision(number: u128) -> (KeyChange, ChangeContext) {
    let (organization, at) = (OrganizationId::from_u128(number), Timestamp::from_millis(0));
    let actor: doorward_types::Name = "ada".parse().unwrap();
    let key = AccessKey {
        id: AccessKeyId::from_u128(number),
        organization,
        environment: Environment::Production,
        name: Environment::Production.into(),
        created_at: at,
        created_by: actor.clone(),
    };
    let secret = Secret {
        locator: format!("{number:010}").parse().unwrap(),
        digest: Digest::from_bytes([7; 32]),
        generation: 1,
        state: SecretState::Current,
        created_at: at,
    };
    let event = EventDraft {
        time: at,
        actor,
        action: Action::AccessKeyCreated,
        subject: key.id.to_string(),
        organization,
        environment: Environment::Production,
        source_address: None,
        request_id: None,
        detail: Detail::default(),
    };
    let organization = Organization { id: organization, name: "Acme".parse().unwrap(), created_at: at };
    let change = KeyChange::Provision { organization, key, secret, only_if_empty: false };
    (change, ChangeContext { events: vec![event], idempotency_key: None, node: None })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unanswered_commit_is_looked_up_and_never_guessed() {
    let direct = support::empty().await;
    let at_commit = Arc::new(AtomicU8::new(PASS));
    let through = proxied(&direct, Arc::clone(&at_commit)).await;
    let store = PostgresStore::open_deaf(&through, OpenMode::Create).await.unwrap();
    let witness = PostgresStore::open_deaf(&direct, OpenMode::Existing).await.unwrap();
    let mut there = 0;
    for round in 1..=30 {
        let mode = if round % 2 == 0 { CUT_AFTER } else { CUT_BEFORE };
        at_commit.store(mode, Ordering::SeqCst);
        let (change, context) = provision(round);
        let changed = store.change(change, context).await;
        at_commit.store(PASS, Ordering::SeqCst);
        match (mode, changed) {
            (CUT_AFTER, Ok(revision)) => {
                there += 1;
                assert_eq!(revision, Revision(there));
            }
            (CUT_BEFORE, Err(StoreError::Unavailable(_))) => {}
            (mode, other) => panic!("{mode}: {other:?}"),
        }
        assert_eq!(witness.revision().await.unwrap(), Revision(there));
        assert_eq!(witness.organizations(Page::first(100)).await.unwrap().len() as u64, there);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_cannot_be_looked_up_is_no_success() {
    let direct = support::empty().await;
    let at_commit = Arc::new(AtomicU8::new(PASS));
    let through = proxied(&direct, Arc::clone(&at_commit)).await;
    let store = PostgresStore::open_deaf(&through, OpenMode::Create).await.unwrap();
    at_commit.store(CUT_ALL, Ordering::SeqCst);
    let (change, context) = provision(1);
    let changed = store.change(change, context).await;
    assert!(matches!(changed, Err(StoreError::OutcomeUnknown)), "{changed:?}");
    // It did happen, as it may.
    let witness = PostgresStore::open_deaf(&direct, OpenMode::Existing).await.unwrap();
    assert_eq!(witness.revision().await.unwrap(), Revision(1));
}
