use std::net::IpAddr;

use doorward_audit::Attribution;
use doorward_store::Operator;
use doorward_types::RequestId;

use crate::OperatorPrincipal;

/// The request of a browser that signs somebody in or out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Visit {
    /// The address that it came from.
    pub source_address: Option<IpAddr>,
    /// The request.
    pub request_id: Option<RequestId>,
}

impl Visit {
    pub(crate) fn by(self, operator: &Operator) -> Attribution {
        let Self { source_address, request_id } = self;
        Attribution { source_address, request_id, ..OperatorPrincipal::of_operator(operator).attribution() }
    }
}
