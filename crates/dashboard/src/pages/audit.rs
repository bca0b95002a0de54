//! *Audit Trail*: what was done, by whom; both environments, each its own log.

use askama::Template;
use bytes::Bytes;
use doorward_audit::{Action, Event, ExportFormat, SecretSummary};
use doorward_auth::OperatorPrincipal;
use doorward_store::{
    EventFilter, KeyEngine, LogCheck, LogExport, LogFault, Page, Scope, must_have_events, verify_log,
};
use doorward_types::{Environment, Name, OrganizationId, Timestamp};
use futures_util::stream;
use http::StatusCode;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use url::form_urlencoded;

use super::{Moment, Shell, counted, grouped};
use crate::body::{BodyError, Content};
use crate::fault::Fault;
use crate::form::Form;
use crate::reply::{self, Reply, sentence};
use crate::state::{Parts, ScanPlace};

/// Events on a page.
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
    /// Why the filter was not taken.
    error: Option<String>,
    rows: Vec<Row>,
    /// The address of the next page.
    older: Option<String>,
    filtered: bool,
    verified: Option<Verified>,
}

/// Whether the chain verifies.
struct Verified {
    text: String,
    sound: bool,
}

struct Row {
    sequence: String,
    time: Moment,
    actor: String,
    said: &'static str,
    about: String,
    facts: Vec<(&'static str, String)>,
}

#[expect(clippy::disallowed_methods, reason = "the operator who is signed in chooses the log")]
pub(crate) async fn page(
    parts: &Parts,
    who: &OperatorPrincipal,
    id: OrganizationId,
    query: &Form,
) -> Result<Reply, Fault> {
    let organization = parts.issuer.organization(who, id).await?;
    let environment = query.parsed("environment")?.unwrap_or(Environment::Production);
    let scope = who.scope(id, environment);
    let (store, now) = (parts.verifier.core().store(), parts.verifier.core().clock().now());
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
        Some(_) => Some(verify(&**store, &scope).await?),
        None => None,
    };
    let said = |name| query.get(name).unwrap_or_default().to_owned();
    let page = Audit {
        shell: Shell { base: &parts.base, operator: Some(who.actor().as_str()) },
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
        actor: parsed::<Name>(query, "actor")?,
        subject: query.get("subject").map(str::to_owned),
    })
}

/// The same query, for what is older.
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

async fn verify(store: &dyn KeyEngine, scope: &Scope) -> Result<Verified, Fault> {
    let check = LogCheck { must_have_events: must_have_events(store, scope).await?, ..LogCheck::default() };
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
        Err(LogFault::Store(error)) => Err(error.into()),
        Err(fault) => {
            tracing::error!(error = &fault as &dyn std::error::Error, organization = %scope.organization(), "a log does not verify");
            Ok(Verified { text: format!("This log does not verify: {fault}."), sound: false })
        }
    }
}

fn row(event: Event, now: Timestamp) -> Row {
    let Event { sequence, incarnation, draft, previous_hash, hash } = event;
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
        ("Incarnation", (!incarnation.is_first()).then(|| incarnation.to_string())),
        ("Source address", draft.source_address.map(|address| address.to_string())),
        ("Request", draft.request_id.map(|id| id.to_string())),
        ("Previous hash", previous_hash.map(|hash| hash.to_string())),
        ("Hash", hash.map(|hash| hash.to_string())),
    ];
    facts.extend(others.into_iter().filter_map(|(name, value)| Some((name, value?))));
    Row {
        sequence: grouped(sequence),
        time: Moment::new(draft.time, now),
        actor: draft.actor.to_string(),
        said: said(draft.action),
        about: about.unwrap_or(draft.subject),
        facts,
    }
}

/// An action, as people say it.
const fn said(action: Action) -> &'static str {
    match action {
        Action::OrganizationCreated => "created the organization",
        Action::AccessKeyCreated => "created the key",
        Action::AccessKeyStaged => "staged the next key",
        Action::AccessKeyStageDiscarded => "withdrew the next key",
        Action::AccessKeyRegenerated => "regenerated the token",
        Action::AccessKeyDeleted => "deleted the key",
        Action::AllowedOriginAdded => "allowed the origin",
        Action::AllowedOriginRemoved => "removed the origin",
        Action::AuditLogExported => "exported the log",
        Action::AuditLogPruned => "pruned the log",
        Action::AuditLogResigned => "signed again what stands for pruned events",
        Action::ConnectorPut => "put the connector",
        Action::ConnectorRemoved => "removed the connector",
        Action::CredentialPut => "put a credential of the user",
        Action::CredentialRemoved => "removed a credential of the user",
        Action::RegisteredUserDeleted => "deleted the user",
        _ => "did",
    }
}

/// A log as it goes out. Where reading fails, the body breaks off, which every browser says.
pub(crate) fn content(export: LogExport, format: ExportFormat, place: ScanPlace) -> Content {
    let begin = (export, Some(format.header()), place);
    let pages = stream::try_unfold(begin, move |(mut export, header, place)| async move {
        let page = export.next_page().await.map_err(|fault| {
            tracing::error!(error = &fault as &dyn std::error::Error, "an export broke off");
            BodyError::from(fault)
        })?;
        if page.is_empty() && header.is_none() {
            return Ok(None);
        }
        let mut text = header.unwrap_or_default();
        text.extend(page.iter().map(|event| format.line(event)));
        Ok::<_, BodyError>(Some((Frame::data(Bytes::from(text)), (export, None, place))))
    });
    StreamBody::new(pages).boxed_unsync()
}
