//! The choice of an organization.

use askama::Template;
use doorward_store::{Organization, Page};
use doorward_types::{OrganizationId, OrganizationState};
use http::StatusCode;
use url::form_urlencoded::Serializer;

use super::{RelativeTime, Shell};
use crate::caller::Caller;
use crate::form::Form;
use crate::page_error::PageError;
use crate::reply::{self, Reply};
use crate::state::Parts;

/// The number of organizations on a page.
const ROWS: u32 = 50;

#[derive(Template)]
#[template(path = "organizations.html")]
struct Organizations<'a> {
    shell: Shell<'a>,
    /// The text to search for, in names.
    query: String,
    rows: Vec<Row>,
    /// True if the page begins after other organizations.
    goes_on: bool,
    /// The query of the next page.
    next: Option<String>,
}

struct Row {
    id: String,
    name: String,
    /// The state, if it is not the usual one.
    state: Option<OrganizationState>,
    created: RelativeTime,
}

/// Returns a page of the list, or leads to the only organization that the caller could choose.
pub(crate) async fn page(parts: &Parts, who: &Caller, form: &Form) -> Result<Reply, PageError> {
    if let Some(own) = who.only_organization() {
        return Ok(reply::see_other(&parts.path(own)));
    }
    let (query, after) = (form.get("q"), form.parsed::<OrganizationId>("after")?);
    // One more than the page shows: it tells whether there is a next page.
    let page = Page { after, limit: ROWS + 1 };
    let mut found = match query {
        Some(text) => parts.issuer.organizations_containing(who, text, page).await?,
        None => parts.issuer.organizations(who, page).await?,
    };
    if let ([only], None, None) = (found.as_slice(), query, after) {
        return Ok(reply::see_other(&parts.path(only.id)));
    }
    let has_more = found.len() > ROWS as usize;
    found.truncate(ROWS as usize);
    let next = found.last().filter(|_| has_more).map(|last| {
        let mut next = Serializer::new(String::new());
        if let Some(text) = query {
            next.append_pair("q", text);
        }
        next.append_pair("after", &last.id.to_string()).finish()
    });
    let now = parts.verifier.core().clock().now();
    let row = |found: Organization| Row {
        id: found.id.to_string(),
        name: found.name.to_string(),
        state: Some(found.state).filter(|state| *state != OrganizationState::Active),
        created: RelativeTime::new(found.created_at, now),
    };
    let page = Organizations {
        shell: Shell::of(parts, who),
        query: query.unwrap_or_default().to_owned(),
        rows: found.into_iter().map(row).collect(),
        goes_on: after.is_some(),
        next,
    };
    Ok(reply::page(StatusCode::OK, &page))
}
