//! THE RULE: what one environment made does not exist for the other.
//!
//! Data of an environment is reached through a [`Scope`], which names one organization and one environment of it. No
//! storage method takes a bare id, so a row of another scope is *absent*: there is no answer that tells it apart from
//! one that exists nowhere, and no check that a handler could forget.
//!
//! A scope comes out of a verified credential, and its environment out of the stored record, never out of a key's
//! prefix. Its one mint is [`Scope::assertion`], which only `doorward-auth` may call: an audit of the rule is one search
//! for that word, and a lint refuses every other caller. The lint is this workspace's own: for yours, list the method under
//! `disallowed-methods` in your `clippy.toml`.
//!
//! ```compile_fail
//! use doorward_store::Scope;
//! use doorward_types::{Environment, OrganizationId};
//!
//! // A scope cannot be written down; its fields are private.
//! let scope = Scope { organization: OrganizationId::INSTALLATION, environment: Environment::Production };
//! ```

use doorward_types::{Environment, OrganizationId};

/// One organization and one environment of it: the only way to data.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Scope {
    organization: OrganizationId,
    environment: Environment,
}

impl Scope {
    /// Asserts that whoever asks was proven to belong to this organization and environment.
    #[must_use]
    pub const fn assertion(organization: OrganizationId, environment: Environment) -> Self {
        Self { organization, environment }
    }

    /// The organization.
    #[must_use]
    pub const fn organization(&self) -> OrganizationId {
        self.organization
    }

    /// The environment.
    #[must_use]
    pub const fn environment(&self) -> Environment {
        self.environment
    }
}
