use std::net::IpAddr;

use doorward_audit::Attribution;
use doorward_store::IdempotencyKey;
use doorward_types::{Locator, RequestId};

use crate::OperatorPrincipal;

/// An operator's wish to change something, with its source and its conditions. Only [`OperatorPrincipal::request`] makes one.
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
}

impl OperatorPrincipal {
    /// A change that this operator asks for.
    #[must_use]
    pub fn request(&self) -> ChangeRequest {
        let attribution = self.attribution();
        ChangeRequest { operator: self.clone(), attribution, idempotency_key: None, expected_secrets: None }
    }
}

impl ChangeRequest {
    /// Names the address and the HTTP request that this came from, for the audit log.
    #[must_use]
    pub fn with_source(self, source_address: Option<IpAddr>, request_id: Option<RequestId>) -> Self {
        Self { attribution: Attribution { source_address, request_id, ..self.attribution }, ..self }
    }

    /// Names the request, so that a repeat of it changes nothing.
    #[must_use]
    pub fn with_idempotency_key(self, key: impl Into<Option<IdempotencyKey>>) -> Self {
        Self { idempotency_key: key.into(), ..self }
    }

    /// Changes nothing if the production key has other secrets than these, the current one first: `If-Match` for keys.
    #[must_use]
    pub fn with_expected_secrets(self, secrets: impl Into<Option<Vec<Locator>>>) -> Self {
        Self { expected_secrets: secrets.into(), ..self }
    }

    /// The operator.
    #[must_use]
    pub const fn operator(&self) -> &OperatorPrincipal {
        &self.operator
    }

    /// The actor and the source, as the audit log has them.
    #[must_use]
    pub const fn attribution(&self) -> &Attribution {
        &self.attribution
    }
}
