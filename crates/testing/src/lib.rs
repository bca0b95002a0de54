//! For tests of services with access keys: an organization with a key of each environment, in memory, and a clock to
//! move. All else is the real thing: the same verifier, the same changes.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use std::time::Duration;
//! use doorward_testing::TestKeys;
//! use doorward_types::Environment;
//!
//! let keys = TestKeys::start().await;
//! let principal = keys.verifier().authenticate(keys.value(Environment::Test).as_bytes()).unwrap();
//! assert_eq!(principal.environment(), Environment::Test);
//!
//! // A year later, the production key is due for rotation.
//! keys.advance(Duration::from_secs(366 * 24 * 60 * 60)).await;
//! assert_eq!(keys.verifier().production_keys_older_than(Duration::from_secs(365 * 24 * 60 * 60)).0, 1);
//! # }
//! ```

use std::sync::Arc;
use std::time::Duration;

use doorward_auth::{ChangeRequest, Core, Issuer, OperatorPrincipal, Verifier};
use doorward_key::ShownOnce;
use doorward_store_memory::MemoryStore;
use doorward_types::{Environment, ManualClock, OrganizationId};

/// How long to wait between two looks at a node that catches up.
const MOMENT: Duration = Duration::from_millis(1);

/// The organization `Acme`, with a key of each environment.
#[derive(Debug)]
pub struct TestKeys {
    verifier: Verifier,
    issuer: Issuer,
    clock: Arc<ManualClock>,
    organization: OrganizationId,
    production: ShownOnce,
    test: ShownOnce,
}

impl TestKeys {
    /// Makes everything, on a clock that stands at 2026-01-01.
    ///
    /// # Panics
    ///
    /// Where the operating system gives no randomness, or outside of a tokio runtime.
    #[expect(clippy::expect_used, reason = "a test's preparation fails by panicking")]
    pub async fn start() -> Self {
        let clock = Arc::new(ManualClock::default());
        let core = Core::new(Arc::new(MemoryStore::new())).with_clock(clock.clone());
        let verifier = Verifier::start(&core).await.expect("a store in memory can be read");
        let issuer = Issuer::beside(&verifier);
        let request = Self::request();
        let acme = issuer.provision("Acme".parse().expect("a name"), &request).await.expect("an organization");
        let organization = acme.organization.id;
        let tests = issuer.create(organization, "tests".parse().expect("a name"), &request).await.expect("a test key");
        Self { verifier, issuer, clock, organization, production: acme.value, test: tests.value }
    }

    /// The operator of a test, who asks for its changes.
    ///
    /// # Panics
    ///
    /// Never.
    #[must_use]
    #[expect(
        clippy::expect_used,
        clippy::disallowed_methods,
        reason = "a test has its store to itself, and a fixed name"
    )]
    pub fn operator() -> OperatorPrincipal {
        OperatorPrincipal::local_administrator("test".parse().expect("a name"))
    }

    /// A change that a test asks for.
    #[must_use]
    pub fn request() -> ChangeRequest {
        Self::operator().request()
    }

    /// The node that verifies.
    #[must_use]
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// What makes more keys, and what kills them.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The organization.
    #[must_use]
    pub const fn organization(&self) -> OrganizationId {
        self.organization
    }

    /// The value of the key of an environment, as a backend presents it.
    #[must_use]
    pub fn value(&self, environment: Environment) -> &str {
        let value = match environment {
            Environment::Production => &self.production,
            Environment::Test => &self.test,
        };
        value.expose()
    }

    /// The `Authorization` header of a request with the key of an environment.
    #[must_use]
    pub fn authorization(&self, environment: Environment) -> String {
        format!("Bearer {}", self.value(environment))
    }

    /// Lets this much time pass on the clock, and waits until the node has heard of it: one that was frozen for as long
    /// would answer 503 until it had looked at the store again.
    pub async fn advance(&self, duration: Duration) {
        self.clock.advance(duration);
        while !self.verifier.is_current() {
            tokio::time::sleep(MOMENT).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_failing_test_prints_holds_no_value() {
        let keys = TestKeys::start().await;
        let shown = format!("{keys:?}");
        for environment in [Environment::Production, Environment::Test] {
            assert!(keys.value(environment).starts_with("dw_") && !shown.contains(keys.value(environment)));
        }
    }
}
