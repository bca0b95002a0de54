//! `GET /v1/organizations/{organization}/production-key/regenerate/preview?discard_staged=`: tells what a regeneration would break
//! now. It changes nothing.
//!
//! Answers 200 `{"safe","refused":[locator],"dying":[secret],"successor":secret|null}`, with secrets as in the list of keys.
//! Calls with the `refused` secrets, which were used within 24 hours, would fail. The regeneration is `safe` if there are none and
//! the successor was used already. Errors: 404 `not_found`.

use doorward_auth::StagedKey;

use super::operator_call::OperatorCall;
use crate::answer::{self, HandlerResult};
use crate::cursor;
use crate::problem::change_failed;
use crate::views::ImpactView;

const DISCARD_STAGED: &str = "discard_staged";

pub(super) async fn handle(call: OperatorCall<'_>) -> HandlerResult {
    let organization = call.organization()?;
    let parameters = cursor::parameters(call.uri(), &[DISCARD_STAGED])?;
    let staged = match parameters.get::<bool>(DISCARD_STAGED)? {
        Some(true) => StagedKey::Discard,
        Some(false) | None => StagedKey::Promote,
    };
    let impact =
        call.state.issuer.preview_regeneration(call.operator, organization, staged).await.map_err(change_failed)?;
    answer::ok(&ImpactView::from(&impact))
}
