use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use doorward_audit::ActorId;
use doorward_auth::Principal;
use doorward_types::{AccessKeyId, Environment, OrganizationId, RequestId};
use http::{HeaderValue, Method, StatusCode};

/// Hears of what the API does, for metrics and logs. Each method does nothing unless it is implemented.
///
/// [`Api::counters`](crate::Api::counters) counts the credentials that were presented for access keys.
#[expect(unused_variables, reason = "the names tell an implementation what it gets")]
pub trait Observer: fmt::Debug + Send + Sync {
    /// A request was answered.
    fn answered(&self, request: &Answered<'_>) {}

    /// A token was presented for an operator's, and refused.
    fn operator_refused(&self, source: Option<IpAddr>) {}

    /// A request was refused since too much of its kind was under way. `by` is the kind of limit, `who` its holder.
    fn limited(&self, kind: &'static str, by: &'static str, who: &str) {}

    /// A request failed since the store failed. The kinds are those of [`StoreError::failure`](doorward_store::StoreError::failure).
    fn store_failed(&self, kind: &'static str) {}

    /// A call of one of the MCP server's tools ended.
    fn tool_called(&self, tool: &str, succeeded: bool, took: Duration) {}
}

/// A request that was answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answered<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The pattern of the request's path, or `none`: never the path, which may hold a key.
    pub route: &'static str,
    /// The answer's status.
    pub status: StatusCode,
    /// The time from the request's head to the answer's head.
    pub took: Duration,
    /// The client's address, as far as it is known.
    pub source: Option<IpAddr>,
    /// The sender, if the request's credential was accepted.
    pub caller: Option<&'a Caller>,
    /// The request's id, as the answer's `X-Request-Id` header has it.
    pub request_id: Option<RequestId>,
    /// The request's own `X-Request-Id` header, from the client or from a proxy.
    pub sent_request_id: Option<&'a HeaderValue>,
}

impl<'a> Answered<'a> {
    /// Returns a request with this answer, of an unknown sender.
    #[must_use]
    pub const fn new(method: &'a Method, route: &'static str, status: StatusCode, took: Duration) -> Self {
        Self { method, route, status, took, source: None, caller: None, request_id: None, sent_request_id: None }
    }

    /// Adds the sender.
    #[must_use]
    pub const fn by(self, source: Option<IpAddr>, caller: Option<&'a Caller>) -> Self {
        Self { source, caller, ..self }
    }

    /// Adds the request's id, and the id that it came with.
    #[must_use]
    pub const fn with_ids(self, id: Option<RequestId>, sent: Option<&'a HeaderValue>) -> Self {
        Self { request_id: id, sent_request_id: sent, ..self }
    }
}

/// The sender of a request, whose credential was accepted.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Caller {
    /// The holder of an access key.
    #[non_exhaustive]
    Key {
        /// The key's id.
        id: AccessKeyId,
        /// The key's organization.
        organization: OrganizationId,
        /// The key's environment.
        environment: Environment,
    },
    /// An operator, or a user of the service that embeds the API, by the actor's id.
    Operator(Option<ActorId>),
}

impl Caller {
    /// Returns the holder of a key.
    #[must_use]
    pub const fn key(id: AccessKeyId, organization: OrganizationId, environment: Environment) -> Self {
        Self::Key { id, organization, environment }
    }
}

impl From<&Principal> for Caller {
    fn from(principal: &Principal) -> Self {
        Self::key(principal.key_id(), principal.organization_id(), principal.environment())
    }
}

/// The observer of an API without observers.
#[derive(Debug)]
pub(crate) struct Silent;

impl Observer for Silent {}
