//! `POST /v1/organizations/{organization}/production-key/regenerate`
//! `{"discard_staged"?,"reason"?:"rotation"|"leak","note"?,"if_unused_for"?}`: replaces the production key's secret. A staged
//! secret is promoted, else a fresh one is shown. After a leak, nothing staged survives.
//!
//! Answers 200 `{"locator","generation","value"?,"receipt"}`. Errors: 404 `not_found`; 409 `conflict` if another operator
//! changed the key at the same moment, `still_in_use`, and `already_done`; 422 `idempotency_key_reused`.

use std::time::Duration;

use doorward_auth::StagedKey;
use doorward_http::Problem;
use doorward_types::Name;
use serde::Deserialize;

use super::operator_call::OperatorCall;
use crate::answer::{self, HandlerResult};
use crate::body::JsonBody;
use crate::code::Code;
use crate::problem::change_failed;
use crate::views::RegeneratedView;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Regeneration {
    #[serde(default)]
    discard_staged: bool,
    #[serde(default)]
    reason: Reason,
    note: Option<Name>,
    /// The seconds for which the secrets to revoke must have been unused.
    if_unused_for: Option<u32>,
}

#[derive(Clone, Copy, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Reason {
    #[default]
    Rotation,
    Leak,
}

impl JsonBody for Regeneration {
    const DESCRIPTION: &'static str = r#"{"discard_staged"?: boolean, "reason"?: "rotation" or "leak", "note"?: string (with "leak"), "if_unused_for"?: seconds}, or no body at all"#;
}

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let (issuer, organization, change) = (&call.state.issuer, call.organization()?, call.change()?);
    let Regeneration { discard_staged, reason, note, if_unused_for } = call.body_or_default().await?;
    let change = change.with_unused_for(if_unused_for.map(|seconds| Duration::from_secs(seconds.into())));
    let regenerated = match reason {
        Reason::Leak => issuer.report_leaked(organization, note, &change).await,
        Reason::Rotation if note.is_some() => {
            return Err(Problem::new(Code::InvalidRequest, r#"a note needs the reason "leak""#));
        }
        Reason::Rotation => {
            let staged = if discard_staged { StagedKey::Discard } else { StagedKey::Promote };
            issuer.regenerate(organization, staged, &change).await
        }
    };
    answer::ok(&RegeneratedView::from(&regenerated.map_err(change_failed)?))
}
