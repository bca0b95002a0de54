//! `POST /v1/organizations` `{"name","external_id"?,"allow_duplicate_name"?}`: makes an organization with its production key,
//! which is shown once.
//!
//! Answers 201 `{"id","name","external_id"?,"state","created_at","production_key":{"id","locator","value"},"receipt"}`. The same
//! `external_id` again: 200 with the organization, and no value. Errors: 409 `conflict` for a name that another organization has,
//! unless `allow_duplicate_name` is true; 409 `already_done` and 422 `idempotency_key_reused`, by the header `Idempotency-Key`.

use doorward_auth::{NewOrganization, ProvisionedOnce};
use doorward_types::{ExternalId, Name};
use serde::Deserialize;

use super::operator_call::OperatorCall;
use crate::answer::{self, HandlerResult};
use crate::body::JsonBody;
use crate::problem::change_failed;
use crate::views::{OrganizationView, ProvisionedView};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: Name,
    external_id: Option<ExternalId>,
    #[serde(default)]
    allow_duplicate_name: bool,
}

impl JsonBody for New {
    const DESCRIPTION: &'static str = r#"{"name": string, "external_id"?: string, "allow_duplicate_name"?: boolean}, where a name is one printable line of at most 128 bytes, and an external id has 1 to 254 visible ASCII characters"#;
}

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let issuer = &call.state.issuer;
    let change = call.change()?;
    let New { name, external_id, allow_duplicate_name } = call.body().await?;
    let new = NewOrganization::named(name).with_duplicate_name(allow_duplicate_name);
    let made = match external_id {
        Some(external_id) => issuer.provision_once(external_id, new, &change).await,
        None => issuer.provision(new, &change).await.map(|made| ProvisionedOnce::New(Box::new(made))),
    };
    match made.map_err(change_failed)? {
        ProvisionedOnce::Existing(organization) => answer::ok(&OrganizationView::from(organization)),
        ProvisionedOnce::New(made) => answer::created(&ProvisionedView::from(&*made)),
    }
}
