use std::net::IpAddr;

use doorward_audit::Attribution;
use doorward_store::Operator;
use doorward_types::RequestId;

use crate::OperatorPrincipal;

/// The browser request that signs an operator in or out.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Visit {
    /// The source address.
    pub source_address: Option<IpAddr>,
    /// The request's id.
    pub request_id: Option<RequestId>,
}

impl Visit {
    /// Creates a visit.
    #[must_use]
    pub const fn new(source_address: Option<IpAddr>, request_id: Option<RequestId>) -> Self {
        Self { source_address, request_id }
    }

    pub(crate) fn by(self, operator: &Operator) -> Attribution {
        let Self { source_address, request_id } = self;
        OperatorPrincipal::of_operator(operator)
            .attribution()
            .with_source_address(source_address)
            .with_request_id(request_id)
    }
}
