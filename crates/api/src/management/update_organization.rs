//! `PATCH /v1/organizations/{organization}` `{"name"?,"external_id"?,"allow_duplicate_name"?}`: renames an organization, or gives
//! it another external id.
//!
//! Answers 200 with the organization and a receipt. Errors: 404 `not_found`; 409 `conflict` if another organization has the name
//! or the external id, or if the organization is closed.

use doorward_auth::Renaming;
use doorward_http::Problem;
use doorward_types::{ExternalId, Name};
use serde::Deserialize;

use super::operator_call::OperatorCall;
use crate::answer::{self, HandlerResult};
use crate::body::JsonBody;
use crate::code::Code;
use crate::problem::change_failed;
use crate::views::OrganizationView;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    name: Option<Name>,
    external_id: Option<ExternalId>,
    #[serde(default)]
    allow_duplicate_name: bool,
}

impl JsonBody for Update {
    const DESCRIPTION: &'static str =
        r#"{"name"?: string, "external_id"?: string, "allow_duplicate_name"?: boolean}, with a name or an external id"#;
}

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let (issuer, organization, change) = (&call.state.issuer, call.organization()?, call.change()?);
    let Update { name, external_id, allow_duplicate_name } = call.body().await?;
    if name.is_none() && external_id.is_none() {
        return Err(Problem::new(Code::InvalidRequest, format!("send {}", Update::DESCRIPTION)));
    }
    let renaming = Renaming::default().with_name(name).with_external_id(external_id);
    let renaming = renaming.with_duplicate_name(allow_duplicate_name);
    let updated = issuer.rename(organization, renaming, &change).await.map_err(change_failed)?;
    answer::ok(&OrganizationView::from(updated))
}
