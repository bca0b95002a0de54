use std::sync::Arc;

use doorward_auth::{OperatorPrincipal, Visitor};
use http::request::Parts;

use crate::browser::sent_by_own_origin;

/// The users of the service that embeds Doorward, as visitors of a page or of an API: each manages one organization.
///
/// The service finds the visitor of a request by its own session. A lookup that waits belongs into a middleware above, which
/// puts what it has found among the request's extensions:
///
/// ```
/// use doorward_auth::Visitor;
/// use doorward_http::Visitors;
///
/// let visitors = Visitors::new(|request| request.extensions.get::<Visitor>().cloned());
/// ```
#[derive(Clone)]
pub struct Visitors {
    find: Arc<FindVisitor>,
    guard: Guard,
}

type FindVisitor = dyn Fn(&Parts) -> Option<Visitor> + Send + Sync;

/// The party that refuses what another site makes a visitor's browser send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Guard {
    Doorward,
    Host,
}

doorward_types::debug_as!(Visitors, "Visitors");

impl Visitors {
    /// Returns the visitors that `find` finds. A request without a visitor is shown nothing, and changes nothing.
    #[must_use]
    pub fn new(find: impl Fn(&Parts) -> Option<Visitor> + Send + Sync + 'static) -> Self {
        Self { find: Arc::new(find), guard: Guard::Doorward }
    }

    /// Leaves it to the service to refuse what another site makes a visitor's browser send. Only for a service with such a
    /// guard above, or whose sessions are no cookies.
    #[must_use]
    pub fn guarded_by_host(self) -> Self {
        Self { guard: Guard::Host, ..self }
    }

    /// Returns whether Doorward guards against other sites.
    #[must_use]
    pub fn are_guarded_here(&self) -> bool {
        self.guard == Guard::Doorward
    }

    /// Returns the proof that a request's visitor manages the visitor's own organization. Returns `None` if the request has no
    /// visitor.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the host's own lookup has found the visitor of this request")]
    pub fn principal(&self, request: &Parts) -> Option<OperatorPrincipal> {
        (self.find)(request).as_ref().map(OperatorPrincipal::of_visitor)
    }

    /// Returns whether another site may have made the visitor's browser send this request. Never true if the service guards
    /// itself.
    #[must_use]
    pub fn is_forged(&self, request: &Parts) -> bool {
        self.are_guarded_here() && !sent_by_own_origin(request)
    }
}
