//! The choice of an organization.

use askama::Template;
use doorward_store::Page;
use doorward_types::OrganizationState;
use http::StatusCode;

use super::{RelativeTime, Shell};
use crate::caller::Caller;
use crate::page_error::PageError;
use crate::reply::{self, Reply};
use crate::state::Parts;

/// The maximum number of listed organizations. People with more organizations open them by URL.
const MAX_ROWS: u32 = 500;

#[derive(Template)]
#[template(path = "organizations.html")]
struct Organizations<'a> {
    shell: Shell<'a>,
    rows: Vec<Row>,
}

struct Row {
    id: String,
    name: String,
    /// The state, if it is not the usual one.
    state: Option<OrganizationState>,
    created: RelativeTime,
}

/// Returns the list, or leads to the only organization that the caller could choose.
pub(crate) async fn page(parts: &Parts, who: &Caller) -> Result<Reply, PageError> {
    if let Some(own) = who.only_organization() {
        return Ok(reply::see_other(&parts.path(own)));
    }
    let all = parts.issuer.organizations(who, Page::first(MAX_ROWS)).await?;
    if let [only] = all.as_slice() {
        return Ok(reply::see_other(&parts.path(only.id)));
    }
    let now = parts.verifier.core().clock().now();
    let row = |found: doorward_store::Organization| Row {
        id: found.id.to_string(),
        name: found.name.to_string(),
        state: Some(found.state).filter(|state| *state != OrganizationState::Active),
        created: RelativeTime::new(found.created_at, now),
    };
    let shell = Shell::of(parts, who);
    Ok(reply::page(StatusCode::OK, &Organizations { shell, rows: all.into_iter().map(row).collect() }))
}
