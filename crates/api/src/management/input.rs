//! The input that several endpoints share.

use doorward_auth::OperatorPrincipal;
use doorward_http::Problem;
use doorward_store::Scope;
use doorward_types::Name;
use matchit::Params;
use serde::Deserialize;

use crate::body::Shape;
use crate::budget::Holder;
use crate::call::{Call, organization};
use crate::cursor;
use crate::state::{ENVIRONMENT, State};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewName {
    pub(super) name: Name,
}

impl Shape for NewName {
    const DESCRIPTION: &'static str = r#"{"name": string}, where a name is one printable line of at most 128 bytes"#;
}

/// Returns the holder of an operator's part of the budget for scans.
pub(super) fn holder(management: &OperatorPrincipal) -> Holder {
    Holder::Operator(management.actor().clone())
}

/// Reads the scope of an endpoint that has no parameter but the environment.
pub(super) async fn scope(
    state: &State,
    management: &OperatorPrincipal,
    params: &Params<'_, '_>,
    call: &Call,
) -> Result<Scope, Problem> {
    let organization = organization(params)?;
    let parameters = cursor::parameters(call.uri(), &[ENVIRONMENT])?;
    state.chosen(management, organization, &parameters).await
}
