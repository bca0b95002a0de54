//! The behaviour that tests of services rely on.

use std::sync::Arc;
use std::time::Duration;

use doorward_auth::VerifyError;
use doorward_store::Page;
use doorward_store_memory::MemoryStore;
use doorward_testing::TestKeys;
use doorward_types::Environment;

#[tokio::test]
async fn the_debug_output_contains_no_value() {
    let keys = TestKeys::start().await;
    let shown = format!("{keys:?}");
    for environment in [Environment::Production, Environment::Test] {
        assert!(keys.value(environment).starts_with("dw_") && !shown.contains(keys.value(environment)));
    }
}

#[tokio::test]
async fn a_lease_is_over_until_time_passes() {
    let keys = TestKeys::start().await;
    let verify = || keys.verifier().verify(keys.value(Environment::Test).as_bytes()).map(drop);
    keys.expire_lease();
    for _ in 0..50 {
        assert_eq!(verify(), Err(VerifyError::NotCurrent));
        assert!(!keys.verifier().is_current());
        // The node polls meanwhile.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // A change still takes effect.
    keys.issuer().create(keys.organization(), "ci".parse().unwrap(), &TestKeys::request()).await.unwrap();
    keys.advance(Duration::ZERO).await;
    assert_eq!(verify(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn time_passes_in_a_paused_runtime_and_after_the_stop() {
    let keys = TestKeys::start().await;
    keys.advance(Duration::from_secs(60)).await;
    assert!(keys.verifier().is_current());
    keys.verifier().stop().await;
    keys.advance(Duration::from_secs(60)).await;
    assert!(!keys.verifier().is_current());
}

#[tokio::test]
async fn lists_are_in_the_order_of_creation() {
    let names: Vec<_> = (0..50).map(|number| format!("Org {number}")).collect();
    let keys = TestKeys::with().organizations(names.clone()).start().await;
    let page = Page::first(100);
    let listed = keys.issuer().organizations(&TestKeys::operator(), page).await.unwrap();
    let listed: Vec<_> = listed.into_iter().rev().map(|organization| organization.name.to_string()).collect();
    assert_eq!(listed, names);
}

#[tokio::test]
async fn another_engine_and_prefix_are_used() {
    let store = Arc::new(MemoryStore::new());
    let keys = TestKeys::with().engine(store.clone()).prefix("acme").organizations(["A", "B"]).start().await;
    assert_eq!(keys.organizations().iter().map(|made| made.name().as_str()).collect::<Vec<_>>(), ["A", "B"]);
    assert_ne!(keys.of("A").id(), keys.of("B").id());
    let again = TestKeys::with().engine(store).prefix("acme").start().await;
    let key = keys.of("B").value(Environment::Production);
    assert!(key.starts_with("acme_prod_"));
    assert_eq!(again.verifier().authenticate(key.as_bytes()).unwrap().organization_id(), keys.of("B").id());
}
