use std::sync::Arc;

use doorward_auth::{ChangeRequest, Core, Issuer, NewOrganization, Verifier};
use doorward_store::ManagementEngine;
use doorward_store_memory::MemoryStore;
use doorward_types::Name;

use crate::clock::TestClock;
use crate::keys::TestKeys;
use crate::organization::TestOrganization;

/// The settings of [`TestKeys`], made by [`TestKeys::with`].
#[derive(Debug)]
#[must_use]
pub struct TestKeysBuilder {
    engine: Arc<dyn ManagementEngine>,
    organizations: Vec<String>,
    prefix: Option<String>,
}

impl TestKeys {
    /// Creates the organization `Acme` in memory, with the prefix `dw`, on a clock that stands at 2026-01-01.
    ///
    /// # Panics
    ///
    /// Panics if the operating system gives no randomness, or outside of a tokio runtime.
    pub async fn start() -> Self {
        Self::with().start().await
    }

    /// Returns a builder with the settings of [`TestKeys::start`], to be changed.
    pub fn with() -> TestKeysBuilder {
        TestKeysBuilder { engine: Arc::new(MemoryStore::new()), organizations: vec!["Acme".to_owned()], prefix: None }
    }
}

impl TestKeysBuilder {
    /// Keeps the keys in this store, such as the engine that the service uses elsewhere, instead of in memory.
    pub fn engine(self, engine: Arc<dyn ManagementEngine>) -> Self {
        Self { engine, ..self }
    }

    /// Makes organizations of these names, in this order, instead of `Acme`.
    pub fn organizations<N: Into<String>>(self, names: impl IntoIterator<Item = N>) -> Self {
        Self { organizations: names.into_iter().map(Into::into).collect(), ..self }
    }

    /// Makes keys with this prefix instead of `dw`.
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        Self { prefix: Some(prefix.into()), ..self }
    }

    /// Creates everything, on a clock that stands at 2026-01-01.
    ///
    /// # Panics
    ///
    /// Panics if a name or the prefix is invalid, if there is no name, if the store fails or has another prefix, if the operating
    /// system gives no randomness, or outside of a tokio runtime.
    #[expect(clippy::expect_used, reason = "a test's preparation fails by panicking")]
    pub async fn start(self) -> TestKeys {
        assert!(!self.organizations.is_empty(), "a test needs an organization at least");
        let clock = Arc::new(TestClock::default());
        let core = Core::new(self.engine.clone()).with_clock(clock.clone());
        let core = match self.prefix {
            Some(prefix) => core.with_prefix(prefix.parse().expect("a prefix of keys")),
            None => core,
        };
        let verifier = Verifier::start(&core).await.expect("a store that can be read");
        let issuer = Issuer::beside(&verifier);
        let request = TestKeys::request();
        let mut organizations = Vec::new();
        for name in self.organizations {
            organizations.push(organization(&issuer, name.parse().expect("a name"), &request).await);
        }
        TestKeys { store: self.engine, verifier, issuer, clock, organizations }
    }
}

#[expect(clippy::expect_used, reason = "a test's preparation fails by panicking")]
async fn organization(issuer: &Issuer, name: Name, request: &ChangeRequest) -> TestOrganization {
    let made = issuer.provision(NewOrganization::named(name.clone()), request).await.expect("an organization");
    let id = made.organization.id;
    let test = issuer.create(id, "tests".parse().expect("a name"), request).await.expect("a test key");
    TestOrganization { id, name, production: made.value, test: test.value }
}
