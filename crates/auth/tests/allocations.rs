//! A verification allocates nothing, whatever comes of it.

use std::alloc::System;
use std::sync::Arc;

use doorward_auth::{Core, Issuer, OperatorPrincipal, Refusal, Verifier};
use doorward_key::{FreshKey, SystemRandom};
use doorward_store_memory::MemoryStore;
use doorward_types::Environment;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[tokio::test]
async fn a_verification_does_not_allocate() {
    let core = Core::new(Arc::new(MemoryStore::new()));
    let verifier = Verifier::start_in_runtime(&core).await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test has its store to itself")]
    let request = OperatorPrincipal::local_administrator("ada".parse().unwrap()).request();
    let acme = Issuer::beside(&verifier).provision("Acme".parse().unwrap(), &request).await.unwrap();
    let unknown = FreshKey::generate(core.prefix(), Environment::Test, &SystemRandom).unwrap();
    let good = acme.value.expose().as_bytes();
    let unknown = unknown.value().expose().as_bytes();
    // The first use of a thread sets up what arc-swap keeps per thread.
    assert!(verifier.verify(good).is_ok());

    let region = Region::new(ALLOCATOR);
    for _ in 0..1_000 {
        assert!(verifier.verify(good).is_ok());
        assert_eq!(verifier.verify(unknown).unwrap_err(), Refusal::Unknown);
        assert!(matches!(verifier.verify(&good[1..]), Err(Refusal::Malformed(_))));
        let verified = verifier.verify(good).unwrap();
        assert_eq!(verified.environment(), Environment::Production);
        let _principal = verifier.authenticate(good).unwrap();
    }
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0));
}
