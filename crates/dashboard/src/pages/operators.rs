//! *Operators*: the people who manage this installation, and their sessions.

use askama::Template;
use doorward_store::{Operator, Passkey, ProviderAccess, SignIn};
use doorward_types::OperatorId;

use super::keys::notice_status;
use super::said::{Dialog, FormOutcome, Notice};
use super::{RelativeTime, Shell, counted};
use crate::caller::Caller;
use crate::form::{Form, Typed};
use crate::page_error::PageError;
use crate::reply::{self, Reply};
use crate::state::Parts;

#[derive(Template)]
#[template(path = "operators.html")]
struct Operators<'a> {
    shell: Shell<'a>,
    rows: Vec<Row>,
    adds: bool,
    removed: Option<Row>,
    error: Option<String>,
    typed: Typed,
    has_provider: bool,
    own: Option<OwnPasskeys<'a>>,
    notice: Option<Notice>,
}

/// The passkeys of the operator who is signed in.
struct OwnPasskeys<'a> {
    /// The origin at which browsers make passkeys.
    origin: &'a str,
    rows: Vec<PasskeyRow>,
}

struct PasskeyRow {
    id: String,
    name: String,
    created: RelativeTime,
    last_used: Option<RelativeTime>,
}

#[derive(Clone)]
struct Row {
    id: OperatorId,
    name: String,
    is_me: bool,
    /// The ways to sign in.
    ways: &'static str,
    created: RelativeTime,
    last_seen: Option<RelativeTime>,
    sessions: String,
    is_signed_in: bool,
}

pub(crate) async fn page(parts: &Parts, who: &Caller, query: &Form, said: FormOutcome) -> Result<Reply, PageError> {
    let operators = parts.operators.list(who).await?;
    let sessions = parts.operators.sessions(who).await?;
    let now = parts.verifier.core().clock().now();
    let me = operators.iter().map(|operator| operator.id).find(|id| who.is_operator(*id));
    let row = |operator: Operator| {
        let own: Vec<&SignIn> = sessions.iter().filter(|session| session.operator == operator.id).collect();
        let seen = own.iter().map(|session| session.seen_at).max();
        Row {
            id: operator.id,
            is_me: me == Some(operator.id),
            name: operator.name.to_string(),
            ways: match operator.provider {
                ProviderAccess::Local => "link",
                ProviderAccess::Expected => "link, and the identity provider for the first time",
                ProviderAccess::Bound(_) => "link, or the identity provider",
            },
            created: RelativeTime::new(operator.created_at, now),
            last_seen: seen.map(|seen| RelativeTime::new(seen, now)),
            sessions: counted(own.len() as u64, "session"),
            is_signed_in: !own.is_empty(),
        }
    };
    let rows: Vec<_> = operators.into_iter().map(row).collect();
    // Operators who have just removed themselves have no passkeys either.
    let own = match (parts.passkey_origin(), me) {
        (Some(origin), Some(me)) => {
            let row = |passkey: Passkey| PasskeyRow {
                id: passkey.id,
                name: passkey.name.to_string(),
                created: RelativeTime::new(passkey.created_at, now),
                last_used: passkey.last_used_at.map(|at| RelativeTime::new(at, now)),
            };
            let rows = parts.operators.passkeys(who, me).await?.into_iter().map(row).collect();
            Some(OwnPasskeys { origin, rows })
        }
        _ => None,
    };
    let FormOutcome { notice, again, error, typed, .. } = said;
    let dialog = Dialog::shown(again, query)?;
    let removed = match dialog {
        Some(Dialog::RemoveOperator(id)) => rows.iter().find(|row| row.id == id).cloned(),
        _ => None,
    };
    let page = Operators {
        shell: Shell::of(parts, who),
        rows,
        adds: dialog == Some(Dialog::AddOperator),
        removed,
        error,
        typed,
        has_provider: parts.provider_name().is_some(),
        own,
        notice,
    };
    Ok(reply::page(notice_status(page.notice.as_ref()), &page))
}
