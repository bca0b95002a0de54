use doorward_audit::ActorId;
use doorward_types::{ActorName, OrganizationId};

/// A user of the service that embeds Doorward, who manages the keys of one organization.
///
/// ```
/// # fn example(acme: doorward_types::OrganizationId) -> Result<(), doorward_auth::VisitorError> {
/// use doorward_auth::Visitor;
///
/// let ada = Visitor::new(acme, "ada@example.com")?;
/// assert_eq!(ada.actor().as_str(), "host:ada@example.com");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Visitor {
    organization: OrganizationId,
    actor: ActorName,
    actor_id: ActorId,
}

/// The text cannot be the id of a visitor.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a visitor's id has 1 to {} visible ASCII characters", Visitor::MAX_ID_BYTES)]
pub struct VisitorError;

impl Visitor {
    /// The beginning of every visitor's name and id in an audit log. No operator's name begins with it, so a visitor with
    /// the id `cli:root` or `op_…` never looks like a program or an operator.
    pub const NAMESPACE: &str = "host:";

    /// The maximum length of a visitor's id in bytes: 254, that of an email address (RFC 5321, section 4.5.3.1).
    pub const MAX_ID_BYTES: usize = ActorName::MAX_BYTES - Self::NAMESPACE.len();

    /// Returns a visitor of this organization. `id` is the service's own id of its user, such as an email address: an audit
    /// log names it, after [`Visitor::NAMESPACE`].
    ///
    /// # Errors
    ///
    /// [`VisitorError`] if the id is empty, too long, or not visible ASCII.
    pub fn new(organization: OrganizationId, id: &str) -> Result<Self, VisitorError> {
        id.parse::<ActorId>().map_err(|_| VisitorError)?;
        let named = format!("{}{id}", Self::NAMESPACE);
        let (actor, actor_id) = (named.parse(), named.parse());
        Ok(Self {
            organization,
            actor: actor.map_err(|_| VisitorError)?,
            actor_id: actor_id.map_err(|_| VisitorError)?,
        })
    }

    /// Returns the only organization that the visitor manages.
    #[must_use]
    pub const fn organization(&self) -> OrganizationId {
        self.organization
    }

    /// Returns the visitor's name in an audit log.
    #[must_use]
    pub const fn actor(&self) -> &ActorName {
        &self.actor
    }

    /// Returns the visitor's id in an audit log.
    pub(crate) const fn actor_id(&self) -> &ActorId {
        &self.actor_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitor_never_looks_like_a_program_or_an_operator() {
        let visitor = |id: &str| Visitor::new(OrganizationId::INSTALLATION, id);
        for id in ["cli:uid-0", "op_01", "server", "host:ada", &"a".repeat(Visitor::MAX_ID_BYTES)] {
            let visitor = visitor(id).unwrap();
            assert_eq!(visitor.actor().as_str(), format!("host:{id}"));
            assert_eq!(visitor.actor_id().as_str(), format!("host:{id}"));
        }
        for id in ["", " ", "ada\n", "zoë", &"a".repeat(Visitor::MAX_ID_BYTES + 1)] {
            assert_eq!(visitor(id), Err(VisitorError), "{id:?}");
        }
    }
}
