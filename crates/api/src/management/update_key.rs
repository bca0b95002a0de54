//! `PATCH /v1/organizations/{organization}/access-keys/{key}` `{"name"?,"note"?}`: renames a key, or sets the note about it. An
//! empty note removes it.
//!
//! Answers 200 with the key and a receipt. Errors: 404 `not_found`; 409 `conflict` if name and note are so already.

use doorward_auth::{Labelling, ManageError};
use doorward_http::Problem;
use doorward_types::Name;
use serde::Deserialize;

use super::operator_call::OperatorCall;
use crate::answer::{self, HandlerResult};
use crate::body::JsonBody;
use crate::code::Code;
use crate::problem::change_failed;
use crate::views::LabelledView;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    name: Option<Name>,
    note: Option<String>,
}

impl JsonBody for Update {
    const DESCRIPTION: &'static str = r#"{"name"?: string, "note"?: string}, with a name or a note"#;
}

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let (issuer, operator) = (&call.state.issuer, call.operator);
    let (organization, change) = (call.organization()?, call.change()?);
    let key = call.id("key", ManageError::NoSuchKey)?;
    let invalid = |detail: String| Problem::new(Code::InvalidRequest, detail);
    let Update { name, note } = call.body().await?;
    if name.is_none() && note.is_none() {
        return Err(invalid(format!("send {}", Update::DESCRIPTION)));
    }
    let parsed = |note: String| match note.as_str() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|error| invalid(format!("the note is invalid: {error}"))),
    };
    let labelling = Labelling::default().with_name(name).with_note(note.map(parsed).transpose()?);
    let labelled = issuer.label(organization, key, labelling, &change).await.map_err(change_failed)?;
    let usage = issuer.usage(operator, std::slice::from_ref(&labelled.key)).await.map_err(change_failed)?;
    answer::ok(&LabelledView::new(labelled, &usage))
}
