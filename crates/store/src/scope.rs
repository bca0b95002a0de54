//! THE RULE: the data of one environment does not exist for the other.
//!
//! Data is reached only through a [`Scope`], which names one organization and one of its environments. No storage
//! method takes a bare id, so a row of another scope is *absent*: no answer differs from the answer for a row that does
//! not exist, and no handler can forget a check.
//!
//! A scope comes from a verified credential. Its environment comes from the stored record, never from a key's prefix.
//! Only [`Scope::assertion`] makes a scope: to audit the rule, search for that word. A lint in this workspace refuses
//! callers without a reason. For your own workspace, list the method under `disallowed-methods` in `clippy.toml`.
//!
//! ```compile_fail
//! use doorward_store::Scope;
//! use doorward_types::{Environment, OrganizationId};
//!
//! // A scope cannot be constructed: its fields are private.
//! let scope = Scope { organization: OrganizationId::INSTALLATION, environment: Environment::Production };
//! ```

use doorward_types::{Environment, OrganizationId};

/// One organization and one of its environments: the only way to data.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Scope {
    organization: OrganizationId,
    environment: Environment,
}

impl Scope {
    /// Asserts that the caller has proved to belong to this organization and environment.
    #[must_use]
    pub const fn assertion(organization: OrganizationId, environment: Environment) -> Self {
        Self { organization, environment }
    }

    /// Returns the name of the scope's audit log.
    #[must_use]
    pub const fn log(&self) -> (OrganizationId, Environment) {
        (self.organization, self.environment)
    }

    /// Returns the organization.
    #[must_use]
    pub const fn organization(&self) -> OrganizationId {
        self.organization
    }

    /// Returns the environment.
    #[must_use]
    pub const fn environment(&self) -> Environment {
        self.environment
    }
}
