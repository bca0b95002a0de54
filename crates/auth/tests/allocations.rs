//! A verification allocates nothing, with any result.

use std::sync::Arc;

use doorward_auth::{Core, Issuer, OperatorPrincipal, Verifier, VerifyError};
use doorward_key::{FreshKey, SystemRandom};
use doorward_store_memory::MemoryStore;
use doorward_types::Environment;

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
    let beta = Issuer::beside(&verifier).provision("Beta".parse().unwrap(), &request).await.unwrap();
    Issuer::beside(&verifier).suspend(beta.organization.id, None, &request).await.unwrap();
    let suspended = beta.value.expose().as_bytes();
    // The first use of a thread creates arc-swap's data for the thread.
    assert!(verifier.verify(good).is_ok());

    // The count is of this thread alone: other threads of the runtime and of
    // the test program may allocate meanwhile.
    let allocated = allocation_counter::measure(|| {
        for _ in 0..1_000 {
            assert!(verifier.verify(good).is_ok());
            assert_eq!(verifier.verify(unknown).unwrap_err(), VerifyError::Unknown);
            assert_eq!(verifier.verify(suspended).unwrap_err(), VerifyError::Suspended);
            assert!(matches!(verifier.verify(&good[1..]), Err(VerifyError::Malformed(_))));
            let verified = verifier.verify(good).unwrap();
            assert_eq!(verified.environment(), Environment::Production);
            let _principal = verifier.authenticate(good).unwrap();
        }
    });
    assert_eq!(allocated.count_total, 0);
}
