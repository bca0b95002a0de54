/// A part of the API, which a service may mount without the others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Part {
    /// Audit logs.
    Audit,
    /// Registered users and their credentials.
    Backend,
    /// The answers that gateways ask for, and the public keys of assertions.
    ForwardAuth,
    /// Reports from outside that keys have leaked.
    Leaks,
    /// Linking accounts, and connectors.
    Link,
    /// Organizations, keys and allowed origins.
    Management,
    /// Tools for agents, and their calls.
    Mcp,
    /// Health, readiness, and the description of the API.
    Probes,
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 8] = [
        Self::Audit,
        Self::Backend,
        Self::ForwardAuth,
        Self::Leaks,
        Self::Link,
        Self::Management,
        Self::Mcp,
        Self::Probes,
    ];

    /// Returns whether the part links accounts, or keeps credentials.
    pub(crate) const fn needs_links(self) -> bool {
        match self {
            Self::Backend | Self::Link | Self::Mcp => true,
            Self::Audit | Self::ForwardAuth | Self::Leaks | Self::Management | Self::Probes => false,
        }
    }
}
