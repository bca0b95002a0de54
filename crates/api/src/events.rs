//! Lists of audit events, which keys and operators both read.

use doorward_store::{AuditLog, EventFilter, Page, Scope};
use doorward_types::AccessKeyId;

use crate::answer::{self, HandlerResult};
use crate::budget::Holder;
use crate::cursor::{self, Parameters};
use crate::problem::store_failed;
use crate::state::State;

/// The parameters of a list beside those of its page.
pub(crate) const PARAMETERS: [&str; 5] = ["since", "until", "action", "actor", "key"];

/// Lists the events that satisfy every parameter.
pub(crate) async fn list(
    state: &State,
    by: Holder,
    scope: &Scope,
    page: Page<u64>,
    parameters: &Parameters,
) -> HandlerResult {
    let filter = EventFilter {
        since: parameters.get("since")?,
        until: parameters.get("until")?,
        action: parameters.get("action")?,
        actor: parameters.get("actor")?,
        actor_part: None,
        subject: parameters.get::<AccessKeyId>("key")?.map(|key| key.to_string()),
    };
    // A filter that fits few events reads all of the log.
    let _share = if filter == EventFilter::default() { None } else { Some(state.budgets.scan(by)?) };
    let rows = AuditLog::events(state.store(), scope, &filter, cursor::one_more(&page)).await.map_err(store_failed)?;
    answer::ok(&cursor::list(&page, rows, |event| event.sequence.to_string(), |event| event))
}
