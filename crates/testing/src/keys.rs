use std::sync::Arc;
use std::time::Duration;

use doorward_auth::{ChangeRequest, Issuer, OperatorPrincipal, Verifier};
use doorward_store::ManagementEngine;
use doorward_types::{Clock, Environment, OrganizationId, SystemClock};

use crate::clock::TestClock;
use crate::organization::TestOrganization;

/// The pause between two checks of a node that catches up.
const SETTLE_INTERVAL: Duration = Duration::from_millis(1);

/// The longest wait for a node that catches up. A node does so within milliseconds, unless its store fails.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(5);

/// Organizations with a key of each environment.
#[derive(Debug)]
pub struct TestKeys {
    pub(crate) store: Arc<dyn ManagementEngine>,
    pub(crate) verifier: Verifier,
    pub(crate) issuer: Issuer,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) organizations: Vec<TestOrganization>,
}

impl TestKeys {
    /// Returns the operator of a test, who requests changes.
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

    /// Returns a change request of a test.
    #[must_use]
    pub fn request() -> ChangeRequest {
        Self::operator().request()
    }

    /// Returns the store of the keys.
    #[must_use]
    pub const fn store(&self) -> &Arc<dyn ManagementEngine> {
        &self.store
    }

    /// Returns the verifying node.
    #[must_use]
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Returns the issuer, which makes and revokes keys.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Returns all organizations, in the order of their names in the builder.
    #[must_use]
    pub fn organizations(&self) -> &[TestOrganization] {
        &self.organizations
    }

    /// Returns the organization with this name.
    ///
    /// # Panics
    ///
    /// Panics if there is no such organization.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test names what it has made")]
    pub fn of(&self, name: &str) -> &TestOrganization {
        self.organizations.iter().find(|organization| organization.name.as_str() == name).expect("an organization")
    }

    /// Returns the first organization's id.
    #[must_use]
    pub fn organization(&self) -> OrganizationId {
        self.first().id()
    }

    /// Returns the value of an environment's key of the first organization, as a backend presents it.
    #[must_use]
    pub fn value(&self, environment: Environment) -> &str {
        self.first().value(environment)
    }

    /// Returns the `Authorization` header for an environment's key of the first organization.
    #[must_use]
    pub fn authorization(&self, environment: Environment) -> String {
        self.first().authorization(environment)
    }

    #[expect(clippy::expect_used, reason = "the builder makes one at least")]
    fn first(&self) -> &TestOrganization {
        self.organizations.first().expect("an organization")
    }

    /// Moves the clock forward, and waits until the node has read the store again. Otherwise a node that stood still for so long
    /// would answer 503. Returns at once if the node was stopped, and after five seconds if its store fails.
    pub async fn advance(&self, duration: Duration) {
        self.clock.expire_leases(false);
        self.clock.advance(duration);
        let begun = SystemClock.tick();
        while !self.verifier.is_current()
            && !self.verifier.is_stopped()
            && SystemClock.tick().since(begun) < SETTLE_TIMEOUT
        {
            tokio::time::sleep(SETTLE_INTERVAL).await;
        }
    }

    /// Ends the lease of the node until the next [`TestKeys::advance`], as if the store was unavailable: every key is refused with
    /// 503.
    pub fn expire_lease(&self) {
        self.clock.expire_leases(true);
    }
}
