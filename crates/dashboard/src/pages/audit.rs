//! *Audit Trail*: the changes and their actors, in the separate logs of both environments.

use askama::Template;
use bytes::Bytes;
use doorward_audit::{Action, Event, ExportFormat, SecretSummary};
use doorward_store::{
    EventFilter, LogCheck, LogError, LogExport, ManagementEngine, Page, Scope, must_have_events, verify_log,
};
use doorward_types::{ActorName, Environment, Name, OrganizationId, Timestamp};
use futures_util::StreamExt;
use http::StatusCode;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use url::form_urlencoded;

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
    organization: String,
    path: String,
    environment: Environment,
    actions: Vec<(Action, bool)>,
    actor: String,
    since: String,
    until: String,
    /// The reason why the filter is invalid.
    error: Option<String>,
    rows: Vec<Row>,
    /// The URL of the next page.
    older: Option<String>,
    filtered: bool,
    verified: Option<Verified>,
}

/// The result of verifying the chain.
struct Verified {
    text: String,
    sound: bool,
}

struct Row {
    sequence: String,
    time: RelativeTime,
    actor: String,
    said: &'static str,
    about: String,
    facts: Vec<(&'static str, String)>,
}

#[expect(clippy::disallowed_methods, reason = "the operator who is signed in chooses the log")]
pub(crate) async fn page(parts: &Parts, who: &Caller, id: OrganizationId, query: &Form) -> Result<Reply, PageError> {
    let organization = parts.issuer.organization(who, id).await?;
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
    let older = events.last().filter(|_| more).map(|last| below(query, environment, last.sequence));
    let verified = match query.get("verify") {
        Some(_) => Some(verify(store, &scope).await?),
        None => None,
    };
    let said = |name| query.get(name).unwrap_or_default().to_owned();
    let page = Audit {
        shell: Shell::of(parts, who),
        organization: organization.name.to_string(),
        path: parts.path(id),
        environment,
        actions: Action::ALL.into_iter().map(|action| (action, filter.action == Some(action))).collect(),
        actor: said("actor"),
        since: said("since"),
        until: said("until"),
        error,
        rows: events.into_iter().map(|event| row(event, now)).collect(),
        older,
        filtered: filter != EventFilter::default(),
        verified,
    };
    Ok(reply::page(StatusCode::OK, &page))
}

fn filter(query: &Form) -> Result<EventFilter, String> {
    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(query: &Form, name: &str) -> Result<Option<T>, String> {
        let read = |text: &str| text.parse().map_err(|error: T::Err| sentence(&error.to_string()));
        query.get(name).map(read).transpose()
    }
    Ok(EventFilter {
        since: parsed::<Timestamp>(query, "since")?,
        until: parsed::<Timestamp>(query, "until")?,
        action: parsed::<Action>(query, "action")?,
        actor: parsed::<ActorName>(query, "actor")?,
        subject: query.get("subject").map(str::to_owned),
    })
}

/// Returns the same query for older events.
fn below(query: &Form, environment: Environment, sequence: u64) -> String {
    let mut text = form_urlencoded::Serializer::new(String::new());
    text.append_pair("environment", environment.as_str());
    for name in ["action", "actor", "since", "until", "subject"] {
        if let Some(value) = query.get(name) {
            text.append_pair(name, value);
        }
    }
    text.append_pair("before", &sequence.to_string());
    text.finish()
}

async fn verify(store: &dyn ManagementEngine, scope: &Scope) -> Result<Verified, PageError> {
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
            Ok(Verified {
                text: format!(
                    "Verified just now: {there} in one unbroken chain.{cut} Its root is {}. That the end was not cut off, a \
                     checkpoint shows that someone kept elsewhere.",
                    verified.checkpoint().root
                ),
                sound: true,
            })
        }
        Err(LogError::Store(error)) => Err(error.into()),
        Err(fault) => {
            tracing::error!(error = &fault as &dyn std::error::Error, organization = %scope.organization(), "a log does not verify");
            Ok(Verified { text: format!("This log does not verify: {fault}."), sound: false })
        }
    }
}

fn row(event: Event, now: Timestamp) -> Row {
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
        ("Reason", draft.detail.note.map(|note| note.to_string())),
        ("Incarnation", (!incarnation.is_first()).then(|| incarnation.to_string())),
        ("Source address", draft.source_address.map(|address| address.to_string())),
        ("Request", draft.request_id.map(|id| id.to_string())),
        ("Previous hash", previous_hash.map(|hash| hash.to_string())),
        ("Hash", hash.map(|hash| hash.to_string())),
    ];
    facts.extend(others.into_iter().filter_map(|(name, value)| Some((name, value?))));
    Row {
        sequence: grouped(sequence),
        time: RelativeTime::new(draft.time, now),
        actor: draft.actor.to_string(),
        said: said(draft.action),
        about: about.unwrap_or(draft.subject),
        facts,
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
        Action::RegisteredUserDeleted => "deleted the user",
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
