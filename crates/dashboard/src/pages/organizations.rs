//! The choice of an organization.

use std::collections::HashMap;

use askama::Template;
use doorward_auth::ROTATION_PERIOD;
use doorward_store::{KeyOverview, Page};
use doorward_types::{Name, OrganizationId, OrganizationState, Timestamp};
use http::StatusCode;
use url::form_urlencoded::Serializer;

use super::keys::REMINDER_LEAD;
use super::lookalikes::Lookalikes;
use super::{RelativeTime, Shell, grouped};
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
    /// The organizations that need a hand, on the first page of the whole list.
    urgent: Vec<Row>,
    rows: Vec<Row>,
    /// True if the page begins after other organizations.
    goes_on: bool,
    /// The query of the next page.
    next: Option<String>,
}

struct Row {
    id: String,
    name: String,
    /// The reason to look twice at the name.
    mark: Option<&'static str>,
    /// The state, if it is not the usual one.
    state: Option<OrganizationState>,
    last_used: Option<RelativeTime>,
    due: Option<RelativeTime>,
    is_late: bool,
    staged: Option<RelativeTime>,
    test_keys: String,
}

impl Row {
    fn new(
        names: &Lookalikes<'_>,
        id: OrganizationId,
        name: &Name,
        state: OrganizationState,
        overview: &KeyOverview,
        now: Timestamp,
    ) -> Self {
        let due = overview.current_since.map(|since| since + ROTATION_PERIOD);
        let relative = |time: Timestamp| RelativeTime::new(time, now);
        Self {
            id: id.to_string(),
            name: name.to_string(),
            mark: names.mark(name.as_str()),
            state: Some(state).filter(|state| *state != OrganizationState::Active),
            last_used: overview.last_used_at.map(relative),
            due: due.map(relative),
            is_late: due.is_some_and(|due| due <= now),
            staged: overview.staged_since.map(relative),
            test_keys: grouped(overview.test_keys),
        }
    }
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
    // Somebody who asks for the list gets it.
    if let ([only], None, None, false) = (found.as_slice(), query, after, form.has("all")) {
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
    let is_first = query.is_none() && after.is_none();
    let urgent = if is_first { parts.verifier.organizations_to_rotate(REMINDER_LEAD, ROWS as usize) } else { vec![] };
    // One read tells of both lists.
    let ids: Vec<_> = urgent.iter().map(|(id, _)| *id).chain(found.iter().map(|found| found.id)).collect();
    let overviews = parts.issuer.key_overviews(who, &ids).await?;
    let (of_urgent, of_found) = overviews.split_at(urgent.len().min(overviews.len()));
    let names: HashMap<_, _> =
        urgent.iter().map(|(id, name)| (*id, name)).chain(found.iter().map(|found| (found.id, &found.name))).collect();
    let names = Lookalikes::of(names.into_values().map(Name::as_str));
    let row = |id, name, state, overview| Row::new(&names, id, name, state, overview, now);
    let urgent = urgent.iter().zip(of_urgent);
    let found = found.iter().zip(of_found);
    let page = Organizations {
        shell: Shell::of(parts, who),
        query: query.unwrap_or_default().to_owned(),
        urgent: urgent.map(|((id, name), overview)| row(*id, name, OrganizationState::Active, overview)).collect(),
        rows: found.map(|(found, overview)| row(found.id, &found.name, found.state, overview)).collect(),
        goes_on: after.is_some(),
        next,
    };
    Ok(reply::page(StatusCode::OK, &page))
}
