//! The page of one key: its picture, its words, its secrets and its events.

use askama::Template;
use doorward_audit::Event;
use doorward_auth::rotation_due_at;
use doorward_store::{AccessKey, EventFilter, Organization, Page};
use doorward_types::{AccessKeyId, Environment, SecretState};

use super::audit::{Row, row};
use super::keys::{notice_status, once};
use super::reported::Reported;
use super::said::{FormOutcome, Notice};
use super::tabs::{Tab, Tabs};
use super::uses::{Chart, SecretRow, UsageView, refused_since};
use super::{RelativeTime, Shell};
use crate::caller::Caller;
use crate::form::{Form, Typed};
use crate::page_error::PageError;
use crate::reply::{self, Reply};
use crate::state::Parts;

/// The number of events on the page.
const ROWS: u32 = 10;

#[derive(Template)]
#[template(path = "key.html")]
struct KeyPage<'a> {
    shell: Shell<'a>,
    tabs: Tabs,
    /// The path of the organization's page.
    path: String,
    id: AccessKeyId,
    environment: Environment,
    created: RelativeTime,
    created_by: String,
    due: Option<RelativeTime>,
    current: SecretRow,
    next: Option<SecretRow>,
    chart: Chart,
    reported: Vec<Reported>,
    /// The revoked secrets of the last 30 days.
    retired: Vec<Retired>,
    /// The newest events, unless the reads of audit logs take all the places that they may.
    events: Option<Vec<Row>>,
    typed: Typed,
    name: String,
    notice: Option<Notice>,
    once: String,
}

struct Retired {
    public_name: String,
    at: RelativeTime,
    refused: String,
}

pub(crate) async fn page(
    parts: &Parts,
    who: &Caller,
    organization: &Organization,
    id: AccessKeyId,
    query: &Form,
    said: FormOutcome,
) -> Result<Reply, PageError> {
    let found = parts.issuer.access_key(who, organization.id, id).await?;
    let keys = std::slice::from_ref(&found);
    let (usage, spans) = parts.issuer.usage_with_spans(who, keys, id).await?;
    let now = parts.verifier.core().clock().now();
    let known = UsageView { usage, spans, now };
    let environment = found.key.environment;
    // A look for changes patches the picture alone.
    let (retired, events) = match query.is_live() {
        true => (vec![], None),
        false => (parts.issuer.retired(who, organization.id).await?, newest(parts, who, &found.key).await?),
    };
    let retired = retired.iter().filter(|retired| retired.access_key == id).map(|retired| Retired {
        public_name: parts.public_name(environment, retired.locator),
        at: RelativeTime::new(retired.retired_at, now),
        refused: refused_since(retired, now),
    });
    let in_state = |state| found.secrets.iter().find(|secret| secret.state == state).copied();
    let current = in_state(SecretState::Current).ok_or(PageError::NotFound)?;
    let staged = in_state(SecretState::Staged);
    let FormOutcome { notice, typed, .. } = said;
    let is_refused = notice.as_ref().is_some_and(|notice| notice.warns);
    let saved = || Typed {
        name: found.key.name.to_string(),
        note: found.note.as_ref().map(ToString::to_string).unwrap_or_default(),
    };
    let page = KeyPage {
        shell: Shell::of(parts, who),
        tabs: Tabs::of(parts, organization, Tab::Keys),
        path: parts.path(organization.id),
        id,
        environment,
        created: RelativeTime::new(found.key.created_at, now),
        created_by: found.key.created_by.to_string(),
        due: rotation_due_at(environment, &found.secrets).map(|due| RelativeTime::new(due, now)),
        current: known.secret(parts, environment, current),
        next: staged.map(|staged| known.secret(parts, environment, staged)),
        chart: known.chart(current.locator, staged.map(|staged| staged.locator)),
        reported: Reported::of(parts, keys, now),
        retired: retired.collect(),
        events: events.map(|events| events.into_iter().map(|event| row(event, now)).collect()),
        typed: if is_refused { typed } else { saved() },
        name: found.key.name.to_string(),
        once: once(parts, query)?,
        notice,
    };
    Ok(reply::page(notice_status(page.notice.as_ref()), &page))
}

/// Returns the newest events of a key. A change that was just made is shown without them if no read of a log has a place.
#[expect(clippy::disallowed_methods, reason = "the operator who is signed in looks at a key of the organization")]
async fn newest(parts: &Parts, who: &Caller, key: &AccessKey) -> Result<Option<Vec<Event>>, PageError> {
    let Ok(_place) = parts.scan(who) else { return Ok(None) };
    let filter = EventFilter { subject: Some(key.id.to_string()), ..EventFilter::default() };
    let scope = who.scope(key.organization, key.environment)?;
    Ok(Some(parts.store.events(&scope, &filter, Page::first(ROWS)).await?))
}
