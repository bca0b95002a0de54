//! *Audit Trail*: the changes and their actors, in the separate logs of both environments.

use std::sync::Arc;

use askama::Template;
use bytes::Bytes;
use doorward_audit::{Action, Checkpoint, Event, ExportFormat, NoteKey, SecretSummary};
use doorward_store::{
    EventFilter, LogCheck, LogError, LogExport, ManagementEngine, Page, Scope, must_have_events, verify_log,
};
use doorward_types::{Environment, Name, OrganizationId, Timestamp};
use futures_util::StreamExt;
use http::StatusCode;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use url::form_urlencoded;

use super::tabs::{Tab, Tabs};
use super::{RelativeTime, Shell, counted, grouped};
use crate::body::{BodyError, Content};
use crate::caller::Caller;
use crate::form::Form;
use crate::page_error::PageError;
use crate::reply::{self, Reply, sentence};
use crate::state::{Parts, ScanPlace};

/// The number of events on a page.
const ROWS: u32 = 50;

#[derive(Template)]
#[template(path = "audit.html")]
struct Audit<'a> {
    shell: Shell<'a>,
    /// The head of an organization's pages. The installation has none.
    tabs: Option<Tabs>,
    is_installation: bool,
    /// The path of the page above this one.
    path: String,
    environment: Environment,
    actions: Vec<(Action, bool)>,
    actor: String,
    since: Bound,
    until: Bound,
    /// The reason why the filter is invalid.
    error: Option<String>,
    days: Vec<Day>,
    /// The query of the first page, unless this is the first page.
    newest: Option<String>,
    /// The query of the next page.
    older: Option<String>,
    filtered: bool,
    verified: Option<Verified>,
    /// True if the page can show signed checkpoints.
    signs: bool,
}

/// The result of verifying the chain.
struct Verified {
    text: String,
    sound: bool,
    /// The signed checkpoint and the key that verifies it, if asked for.
    checkpoint: Option<(String, String)>,
}

/// The events of a day of UTC.
struct Day {
    /// Such as `2026-11-24`.
    date: String,
    rows: Vec<Row>,
}

/// An end of the filter's time, as the caller sent it.
struct Bound {
    text: String,
}

impl Bound {
    /// Returns the kind of the field. A field for dates shows nothing else, and a link may have a time of day.
    fn kind(&self) -> &'static str {
        let is_date = self.text.len() == "2026-11-24".len() && self.text.parse::<Timestamp>().is_ok();
        if self.text.is_empty() || is_date { "date" } else { "text" }
    }
}

pub(super) struct Row {
    pub(super) number: u64,
    /// The number with separators.
    pub(super) sequence: String,
    pub(super) time: RelativeTime,
    /// The time of the day, in UTC.
    pub(super) clock: String,
    pub(super) actor: String,
    pub(super) said: &'static str,
    pub(super) about: String,
    /// The address from which the change came, or nothing.
    pub(super) source: String,
    pub(super) facts: Vec<(&'static str, String)>,
}

#[expect(clippy::disallowed_methods, reason = "the operator who is signed in chooses the log")]
pub(crate) async fn page(parts: &Parts, who: &Caller, id: OrganizationId, query: &Form) -> Result<Reply, PageError> {
    let is_installation = id == OrganizationId::INSTALLATION;
    let tabs = match is_installation {
        true => None,
        false => Some(Tabs::of(parts, &parts.issuer.organization(who, id).await?, Tab::Audit)),
    };
    let environment = query.parsed("environment")?.unwrap_or(Environment::Production);
    let scope = who.scope(id, environment)?;
    let (store, now) = (&*parts.store, parts.verifier.core().clock().now());
    let (filter, error) = match filter(query) {
        Ok(filter) => (filter, None),
        Err(error) => (EventFilter::default(), Some(error)),
    };
    let scans = filter != EventFilter::default() || query.get("verify").is_some();
    let _place = if scans { Some(parts.scan(who)?) } else { None };
    let page = Page { after: query.parsed("before")?, limit: ROWS + 1 };
    let mut events = store.events(&scope, &filter, page).await?;
    let more = events.len() > ROWS as usize;
    events.truncate(ROWS as usize);
    let older = events.last().filter(|_| more).map(|last| link(query, environment, Some(last.sequence)));
    let newest = query.get("before").map(|_| link(query, environment, None));
    let verified = match query.get("verify") {
        Some(asked) => Some(verify(parts, &scope, asked == "checkpoint").await?),
        None => None,
    };
    let text = |name| query.get(name).unwrap_or_default().to_owned();
    let page = Audit {
        shell: Shell::of(parts, who),
        tabs,
        is_installation,
        path: if is_installation { parts.base.clone() } else { parts.path(id) },
        environment,
        actions: Action::ALL
            .into_iter()
            .filter(|action| concerns_the_installation(*action).is_none_or(|is| is == is_installation))
            .map(|action| (action, filter.action == Some(action)))
            .collect(),
        actor: text("actor"),
        since: Bound { text: text("since") },
        until: Bound { text: text("until") },
        error,
        days: days(events, now),
        newest,
        older,
        filtered: filter != EventFilter::default(),
        verified,
        signs: checkpoint_key(parts).is_some(),
    };
    Ok(reply::page(StatusCode::OK, &page))
}

fn filter(query: &Form) -> Result<EventFilter, String> {
    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(query: &Form, name: &str) -> Result<Option<T>, String> {
        let read = |text: &str| text.parse().map_err(|error: T::Err| sentence(&error.to_string()));
        query.get(name).map(read).transpose()
    }
    let time = |query, name| {
        parsed::<Timestamp>(query, name)
            .map_err(|_| "Dates look like 2026-11-24, and times like 2026-11-24T13:00:00Z.".to_owned())
    };
    Ok(EventFilter {
        since: time(query, "since")?,
        until: time(query, "until")?,
        action: parsed::<Action>(query, "action")?,
        actor_part: query.get("actor").map(str::to_owned),
        subject: query.get("subject").map(str::to_owned),
        ..EventFilter::default()
    })
}

/// Returns the same query for the events before this one, or for the newest.
fn link(query: &Form, environment: Environment, before: Option<u64>) -> String {
    let mut text = form_urlencoded::Serializer::new(String::new());
    text.append_pair("environment", environment.as_str());
    for name in ["action", "actor", "since", "until", "subject"] {
        if let Some(value) = query.get(name) {
            text.append_pair(name, value);
        }
    }
    if let Some(sequence) = before {
        text.append_pair("before", &sequence.to_string());
    }
    text.finish()
}

async fn verify(parts: &Parts, scope: &Scope, signs: bool) -> Result<Verified, PageError> {
    let store: &dyn ManagementEngine = &*parts.store;
    let check = LogCheck::default().with_must_have_events(must_have_events(store, scope).await?);
    match verify_log(store, scope, &check, &mut |_| {}).await {
        Ok(verified) => {
            let (there, pruned) = (counted(verified.size() - verified.pruned(), "event"), verified.pruned());
            let cut = match pruned {
                0 => String::new(),
                _ => format!(
                    " Events 1 to {} are gone: the log says that they were pruned, and `doorward audit verify --verifier-key` \
                     proves it.",
                    grouped(pruned)
                ),
            };
            let Checkpoint { origin, root, .. } = verified.checkpoint();
            let checkpoint = match checkpoint_key(parts).filter(|_| signs) {
                Some(key) => verified.sign(&key).ok().map(|note| (note, key.verifier(origin).to_string())),
                None => None,
            };
            let end = match checkpoint {
                Some(_) => {
                    "Keep this signed checkpoint elsewhere: it proves later that nothing before it was changed or cut off."
                }
                None => "To prove that none was cut off the end, keep a signed checkpoint elsewhere.",
            };
            let text = format!("Unbroken: {there}.{cut} The root is {root}. {end}");
            Ok(Verified { text, sound: true, checkpoint })
        }
        Err(LogError::Store(error)) => Err(error.into()),
        Err(fault) => {
            tracing::error!(error = &fault as &dyn std::error::Error, organization = %scope.organization(), "a log does not verify");
            Ok(Verified { text: format!("This log does not verify: {fault}."), sound: false, checkpoint: None })
        }
    }
}

/// Returns the host's key for signed checkpoints.
fn checkpoint_key(parts: &Parts) -> Option<Arc<NoteKey>> {
    (parts.checkpoint_key.as_ref()?.0)()
}

/// Returns the events by their days, in the order of the events.
fn days(events: Vec<Event>, now: Timestamp) -> Vec<Day> {
    let mut days: Vec<Day> = Vec::new();
    for row in events.into_iter().map(|event| row(event, now)) {
        let date = row.time.exact.split('T').next().unwrap_or_default().to_owned();
        match days.last_mut() {
            Some(day) if day.date == date => day.rows.push(row),
            _ => days.push(Day { date, rows: vec![row] }),
        }
    }
    days
}

pub(super) fn row(event: Event, now: Timestamp) -> Row {
    let Event { sequence, incarnation, draft, previous_hash, hash, .. } = event;
    let secrets = |secrets: &[SecretSummary]| {
        let each = |secret: &SecretSummary| format!("{} ({}, no. {})", secret.locator, secret.state, secret.generation);
        if secrets.is_empty() { "none".to_owned() } else { secrets.iter().map(each).collect::<Vec<_>>().join(", ") }
    };
    let about = draft.detail.name.as_ref().map(Name::to_string).or_else(|| draft.detail.origin.clone());
    let mut facts = vec![("Action", draft.action.to_string()), ("Subject", draft.subject.clone())];
    if !(draft.detail.before.is_empty() && draft.detail.after.is_empty()) {
        facts.push(("Secrets before", secrets(&draft.detail.before)));
        facts.push(("Secrets after", secrets(&draft.detail.after)));
    }
    let others = [
        ("Name before", draft.detail.name_before.map(|name| name.to_string())),
        ("External id", draft.detail.external_id.map(|id| id.to_string())),
        ("Data erased from", draft.detail.erase_at.map(|time| time.to_string())),
        (
            "Place",
            (draft.action == Action::AccessKeyReportedLeaked)
                .then(|| draft.detail.urls_after.join(" "))
                .filter(|urls| !urls.is_empty()),
        ),
        ("Note", draft.detail.note.map(|note| note.to_string())),
        ("Incarnation", (!incarnation.is_first()).then(|| incarnation.to_string())),
        ("Request", draft.request_id.map(|id| id.to_string())),
        ("Previous hash", previous_hash.map(|hash| hash.to_string())),
        ("Hash", hash.map(|hash| hash.to_string())),
    ];
    facts.extend(others.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let time = RelativeTime::new(draft.time, now);
    Row {
        number: sequence,
        sequence: grouped(sequence),
        clock: time.exact.get("2026-11-24T".len().."2026-11-24T13:00:00".len()).unwrap_or_default().to_owned(),
        time,
        actor: draft.actor.to_string(),
        said: said(draft.action),
        about: about.unwrap_or(draft.subject),
        source: draft.source_address.map(|address| address.to_string()).unwrap_or_default(),
        facts,
    }
}

/// Returns whether only the installation's log can have an action, or only the logs of organizations, or `None` if both can.
const fn concerns_the_installation(action: Action) -> Option<bool> {
    match action {
        Action::AuditLogExported | Action::AuditLogPruned | Action::AuditLogResigned => None,
        Action::LostChangeAccepted
        | Action::OperatorBound
        | Action::OperatorCreated
        | Action::OperatorDeleted
        | Action::OperatorLinkMinted
        | Action::OperatorPasskeyAdded
        | Action::OperatorPasskeyRemoved
        | Action::OperatorSignedIn
        | Action::OperatorSignedOut
        | Action::SealingKeyRotated
        | Action::StoreRestored => Some(true),
        _ => Some(false),
    }
}

/// Returns an action's description for people.
const fn said(action: Action) -> &'static str {
    match action {
        Action::OrganizationClosed => "closed the organization",
        Action::OrganizationCreated => "created the organization",
        Action::OrganizationRenamed => "renamed the organization",
        Action::OrganizationResumed => "resumed the organization",
        Action::OrganizationSuspended => "suspended the organization",
        Action::AccessKeyCreated => "created the key",
        Action::AccessKeyImported => "imported the key",
        Action::AccessKeyReleased => "ended the quarantine of the key",
        Action::AccessKeyRenamed => "renamed the key",
        Action::AccessKeyReportedLeaked => "reported a leak of the key",
        Action::AccessKeyStaged => "staged the next key",
        Action::AccessKeyStageDiscarded => "withdrew the next key",
        Action::AccessKeyRegenerated => "regenerated the token",
        Action::AccessKeyDeleted => "deleted the key",
        Action::AllowedOriginAdded => "allowed the origin",
        Action::AllowedOriginRemoved => "removed the origin",
        Action::AuditLogExported => "exported the log",
        Action::AuditLogPruned => "pruned the log",
        Action::AuditLogResigned => "signed the statement about pruned events again",
        Action::ConnectorPut => "saved the connector",
        Action::ConnectorRemoved => "removed the connector",
        Action::CredentialPut => "saved a credential of the user",
        Action::CredentialRemoved => "removed a credential of the user",
        Action::LostChangeAccepted => "accepted the loss of the change",
        Action::OperatorBound => "was bound to the identity of a provider:",
        Action::OperatorCreated => "added the operator",
        Action::OperatorDeleted => "removed the operator",
        Action::OperatorLinkMinted => "made a sign-in link for",
        Action::OperatorPasskeyAdded => "added a passkey of",
        Action::OperatorPasskeyRemoved => "removed a passkey of",
        Action::OperatorSignedIn => "signed in as",
        Action::OperatorSignedOut => "signed out",
        Action::RegisteredUserDeleted => "deleted the user",
        Action::SealingKeyRotated => "rotated the sealing key",
        Action::StoreRestored => "restored the store from",
        _ => "did",
    }
}

/// Returns a log as a body. If reading fails, the body breaks off, and the browser reports it.
pub(crate) fn content(export: LogExport, format: ExportFormat, place: ScanPlace) -> Content {
    let pages = export.texts(format).map(move |text| {
        let _held = &place;
        text.map(|text| Frame::data(Bytes::from(text))).map_err(|fault| {
            tracing::error!(error = &fault as &dyn std::error::Error, "an export broke off");
            BodyError::from(fault)
        })
    });
    StreamBody::new(pages).boxed_unsync()
}
