//! Unneeded tokens are revoked, only at the third party that granted them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use doorward_key::SystemRandom;
use doorward_records::{Credential, CredentialKey, RegisteredUser, SealingKey, SealingKeys, Table};
use http::StatusCode;
use zeroize::Zeroizing;

use crate::support::*;

const NOTHING: [&str; 0] = [];

fn key(world: &World) -> CredentialKey {
    CredentialKey { registered_user: world.user, connector: "github".parse().unwrap() }
}

async fn delete(world: &World) {
    let credentials: &dyn Table<Credential> = &**world.linker.store();
    assert!(credentials.delete(&world.scope, &key(world), world.told()).await.unwrap());
}

#[tokio::test]
async fn a_deleted_or_replaced_credential_is_revoked() {
    let world = World::new().await;
    world.link().await;
    assert_eq!(world.keep_up().await, NOTHING);
    delete(&world).await;
    world.linker.keep_up_once().await.unwrap();
    let asked = world.third_party.asked("/revoke");
    let said = |at: usize, name: &str| asked[at].form[name].clone();
    assert_eq!((said(0, "token"), said(0, "token_type_hint")), ("rt".into(), "refresh_token".into()));
    assert_eq!((said(1, "token"), said(1, "token_type_hint")), ("at".into(), "access_token".into()));
    for asked in &asked {
        assert_eq!(asked.headers["authorization"], "Basic bWUlM0ElMkI6cyUzRGNyZXQlMkY=");
    }
    assert_eq!(asked.len(), 2);
    assert_eq!(world.keep_up().await, NOTHING, "once");

    world.link().await;
    world.third_party.answers("/token", StatusCode::OK, r#"{"access_token":"second"}"#);
    world.link().await;
    assert_eq!(world.keep_up().await, ["rt", "at"]);
    let users: &dyn Table<RegisteredUser> = &**world.linker.store();
    assert!(users.delete(&world.scope, &world.user, world.told()).await.unwrap());
    assert_eq!(world.keep_up().await, ["second"]);
}

#[tokio::test]
async fn a_failed_revocation_is_retried_a_limited_number_of_times() {
    let world = World::new().await;
    world.third_party.answers("/token", StatusCode::OK, r#"{"access_token":"at"}"#);
    world.third_party.answers("/revoke", StatusCode::SERVICE_UNAVAILABLE, "");
    world.link().await;
    delete(&world).await;
    let mut pause = Duration::from_mins(1);
    for attempt in 1..=12 {
        assert_eq!(world.keep_up().await, ["at"], "attempt {attempt}");
        world.clock.advance(pause - Duration::from_millis(1));
        assert_eq!(world.keep_up().await, NOTHING, "too early after attempt {attempt}");
        world.clock.advance(Duration::from_millis(1));
        pause *= 2;
    }
    world.clock.advance(Duration::from_hours(24 * 365));
    assert_eq!(world.keep_up().await, NOTHING, "it gives up");
}

#[tokio::test]
async fn a_refused_revocation_is_not_retried() {
    let world = World::new().await;
    world.third_party.answers("/revoke", StatusCode::BAD_REQUEST, r#"{"error":"unsupported_token_type"}"#);
    world.link().await;
    delete(&world).await;
    assert_eq!(world.keep_up().await, ["rt"]);
    world.clock.advance(Duration::from_hours(24 * 7));
    assert_eq!(world.keep_up().await, NOTHING);
}

#[tokio::test]
async fn tokens_go_only_to_the_third_party_that_granted_them() {
    let world = World::new().await;
    let other = ThirdParty::start().await;
    world.link().await;
    world.put(&other.settings()).await;
    delete(&world).await;
    assert_eq!((world.keep_up().await, other.revoked()), (vec![], vec![]));
    // The same holds without a revocation endpoint, and without a connector.
    world.put(&world.third_party.settings().with_revocation_endpoint(None)).await;
    world.link().await;
    delete(&world).await;
    assert_eq!(world.keep_up().await, NOTHING);
    world.put(&world.third_party.settings()).await;
    world.link().await;
    assert!(world.linker.remove_connector(&world.scope, &"github".parse().unwrap(), &by()).await.unwrap());
    delete(&world).await;
    assert_eq!(world.keep_up().await, NOTHING);
}

#[tokio::test]
async fn a_backends_own_token_is_not_revoked() {
    let world = World::new().await;
    let sealing_key = SealingKeys::from(SealingKey::new(&Zeroizing::new([7; 32])));
    let credentials: &dyn Table<Credential> = &**world.linker.store();
    for secret in ["hunter2", r#"{"access_token":"at","token_type":"bearer"}"#, "{}"] {
        let key = key(&world);
        let sealed = sealing_key.seal(&world.scope, &key.to_string(), secret.as_bytes(), &SystemRandom).unwrap();
        let (registered_user, connector, now) = (key.registered_user, key.connector, world.core.clock().now());
        let credential = Credential::new(registered_user, connector, sealed, now, now);
        credentials.put(&world.scope, credential, world.told()).await.unwrap();
        delete(&world).await;
        assert_eq!(world.keep_up().await, NOTHING, "{secret}");
    }
}

/// A node that dies during a revocation does not lose it: another node takes it over after the first node's time.
#[tokio::test]
async fn a_revocation_outlives_the_node_that_took_it() {
    let world = World::new().await;
    world.link().await;
    delete(&world).await;
    world.third_party.hold();
    let dies = {
        let linker = world.linker.clone();
        tokio::spawn(async move { linker.keep_up_once().await })
    };
    comes(async {
        while world.third_party.revoked().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    dies.abort();
    assert!(dies.await.unwrap_err().is_cancelled());
    world.third_party.go_on();
    assert_eq!(world.keep_up().await, NOTHING);
    world.clock.advance(Duration::from_mins(1));
    assert_eq!(world.keep_up().await, ["rt", "at"]);
}

/// The node does this without a request.
#[tokio::test]
async fn a_deleted_credential_wakes_the_revocation_task() {
    let world = World::new().await;
    let keeps_up = {
        let linker = world.linker.clone();
        tokio::spawn(async move { linker.keep_up().await })
    };
    world.link().await;
    world.third_party.asked("/token");
    delete(&world).await;
    world.linker.revoke_soon();
    world.third_party.revokes_both().await;
    keeps_up.abort();
}
