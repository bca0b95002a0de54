//! *Callback origins*: the origins to which callbacks may go.

use askama::Template;
use doorward_store::Organization;
use doorward_types::AllowedOriginId;

use super::keys::{closed, notice_status, once};
use super::said::{Dialog, FormOutcome, Notice, OriginTest};
use super::tabs::{Tab, Tabs};
use super::{RelativeTime, Shell};
use crate::caller::Caller;
use crate::form::Form;
use crate::page_error::PageError;
use crate::reply::{self, Reply};
use crate::state::Parts;

#[derive(Template)]
#[template(path = "origins.html")]
struct Origins<'a> {
    shell: Shell<'a>,
    tabs: Tabs,
    /// The path of the organization's page.
    path: String,
    rows: Vec<OriginRow>,
    /// The entry that the page asks about before it is removed.
    removed: Option<OriginRow>,
    notice: Option<Notice>,
    refused_origin: Option<(String, String)>,
    tried: Option<OriginTest>,
    once: String,
}

#[derive(Clone)]
struct OriginRow {
    id: AllowedOriginId,
    origin: String,
    created: RelativeTime,
    created_by: String,
}

pub(crate) async fn page(
    parts: &Parts,
    who: &Caller,
    organization: &Organization,
    query: &Form,
    said: FormOutcome,
) -> Result<Reply, PageError> {
    if organization.is_closed() {
        return closed(parts, who, organization, said.notice);
    }
    let now = parts.verifier.core().clock().now();
    let row = |entry: doorward_store::OriginEntry| OriginRow {
        id: entry.id,
        origin: entry.origin.to_string(),
        created: RelativeTime::new(entry.created_at, now),
        created_by: entry.created_by.to_string(),
    };
    let rows: Vec<_> = parts.issuer.allowed_origins(who, organization).await?.into_iter().map(row).collect();
    let removed = match Dialog::asked(query)? {
        Some(Dialog::Remove(id)) => rows.iter().find(|row| row.id == id).cloned(),
        _ => None,
    };
    let FormOutcome { notice, refused_origin, tried, .. } = said;
    let status = notice_status(notice.as_ref());
    let page = Origins {
        shell: Shell::of(parts, who),
        tabs: Tabs::of(parts, organization, Tab::Origins),
        path: parts.path(organization.id),
        rows,
        removed,
        notice,
        refused_origin,
        tried,
        once: once(parts, query)?,
    };
    Ok(reply::page(status, &page))
}
