use std::net::IpAddr;
use std::time::Duration;

use doorward_audit::Attribution;
use doorward_store::IdempotencyKey;
use doorward_types::{Locator, RequestId};

use crate::OperatorPrincipal;

/// An operator's request for a change, with its source and its preconditions. Only [`OperatorPrincipal::request`] makes
/// a request.
///
/// ```compile_fail
/// let forged = doorward_auth::ChangeRequest { idempotency_key: None, ..Default::default() };
/// ```
#[derive(Clone, Debug)]
pub struct ChangeRequest {
    operator: OperatorPrincipal,
    pub(crate) attribution: Attribution,
    pub(crate) idempotency_key: Option<IdempotencyKey>,
    pub(crate) expected_secrets: Option<Vec<Locator>>,
    pub(crate) unused_for: Option<Duration>,
}

impl OperatorPrincipal {
    /// Returns a request for a change by this operator.
    #[must_use]
    pub fn request(&self) -> ChangeRequest {
        let attribution = self.attribution();
        ChangeRequest {
            operator: self.clone(),
            attribution,
            idempotency_key: None,
            expected_secrets: None,
            unused_for: None,
        }
    }
}

impl ChangeRequest {
    /// Sets the source address and the HTTP request id, for the audit log.
    #[must_use]
    pub fn with_source(self, source_address: Option<IpAddr>, request_id: Option<RequestId>) -> Self {
        Self { attribution: self.attribution.with_source_address(source_address).with_request_id(request_id), ..self }
    }

    /// Sets the client's name for the request, so that a repeat changes nothing.
    #[must_use]
    pub fn with_idempotency_key(self, key: impl Into<Option<IdempotencyKey>>) -> Self {
        Self { idempotency_key: key.into(), ..self }
    }

    /// Sets the expected secrets of the production key, the current secret first. If they differ, the change fails
    /// (`If-Match` for keys).
    #[must_use]
    pub fn with_expected_secrets(self, secrets: impl Into<Option<Vec<Locator>>>) -> Self {
        Self { expected_secrets: secrets.into(), ..self }
    }

    /// Sets the time for which the secrets that a regeneration revokes must have been unused. If one was used since, the
    /// regeneration fails. Nodes write their counts every few seconds, so a use of the last seconds may be missed.
    #[must_use]
    pub fn with_unused_for(self, time: impl Into<Option<Duration>>) -> Self {
        Self { unused_for: time.into(), ..self }
    }

    /// Returns the operator.
    #[must_use]
    pub const fn operator(&self) -> &OperatorPrincipal {
        &self.operator
    }

    /// Returns the actor and the source for the audit log.
    #[must_use]
    pub const fn attribution(&self) -> &Attribution {
        &self.attribution
    }
}
