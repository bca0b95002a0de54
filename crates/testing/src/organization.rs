use doorward_key::ShownOnce;
use doorward_types::{Environment, Name, OrganizationId};

/// An organization with a key of each environment.
#[derive(Debug)]
pub struct TestOrganization {
    pub(crate) id: OrganizationId,
    pub(crate) name: Name,
    pub(crate) production: ShownOnce,
    pub(crate) test: ShownOnce,
}

impl TestOrganization {
    /// Returns the id.
    #[must_use]
    pub const fn id(&self) -> OrganizationId {
        self.id
    }

    /// Returns the name.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// Returns the value of an environment's key, as a backend presents it.
    #[must_use]
    pub fn value(&self, environment: Environment) -> &str {
        let value = match environment {
            Environment::Production => &self.production,
            Environment::Test => &self.test,
        };
        value.expose()
    }

    /// Returns the `Authorization` header for an environment's key.
    #[must_use]
    pub fn authorization(&self, environment: Environment) -> String {
        format!("Bearer {}", self.value(environment))
    }
}
