//! *API Keys*: the production key and the test keys.

use std::time::Duration;

use askama::Template;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use doorward_auth::{Impact, StagedKey, rotation_due_at};
use doorward_store::{AccessKeyWithSecrets, Organization};
use doorward_types::{Environment, OrganizationState, SecretState};
use http::StatusCode;

use super::confirm::{Confirm, Everything, confirm};
use super::reported::Reported;
use super::said::{Dialog, FormOutcome, Notice};
use super::tabs::{Tab, Tabs};
use super::test_keys::TestKeys;
use super::uses::{Chart, JUST_ROTATED, Rotated, SecretRow, Share, UsageView, Verdict, rotated, verdict};
use super::{RelativeTime, Shell};
use crate::caller::Caller;
use crate::form::Form;
use crate::page_error::PageError;
use crate::reply::{self, Reply};
use crate::state::Parts;

/// The time before a rotation is due at which the page reminds people.
pub(super) const REMINDER_LEAD: Duration = Duration::from_hours(30 * 24);

#[derive(Template)]
#[template(path = "keys.html")]
struct Keys<'a> {
    shell: Shell<'a>,
    tabs: Tabs,
    id: String,
    suspended: bool,
    /// The path of the organization's page.
    path: String,
    /// The production key's own page.
    production: String,
    current: SecretRow,
    next: Option<SecretRow>,
    chart: Chart,
    /// The share of the calls of the last hour with the next key, if there is a next key.
    share: Option<Share>,
    /// The meaning of the old key's use, if a next key exists.
    verdict: Option<Verdict>,
    /// The refused calls since the last regeneration, if it was lately and nothing is staged.
    rotated: Option<Rotated>,
    due: RelativeTime,
    overdue: bool,
    is_late: bool,
    test_keys: TestKeys,
    reported: Vec<Reported>,
    dialog: Option<Confirm>,
    notice: Option<Notice>,
    /// The form's idempotency key, so that a repeat changes nothing.
    once: String,
    now: RelativeTime,
}

pub(crate) async fn page(
    parts: &Parts,
    who: &Caller,
    organization: &Organization,
    query: &Form,
    said: FormOutcome,
) -> Result<Reply, PageError> {
    let id = organization.id;
    if organization.is_closed() {
        return closed(parts, who, organization, said.notice);
    }
    let keys = parts.issuer.access_keys(who, id).await?;
    let production =
        keys.iter().find(|found| found.key.environment == Environment::Production).ok_or(PageError::NotFound)?;
    let (usage, spans) = parts.issuer.usage_with_spans(who, &keys, production.key.id).await?;
    let now = parts.verifier.core().clock().now();
    let known = UsageView { usage, spans, now };

    let in_state = |state| production.secrets.iter().find(|secret| secret.state == state).copied();
    let current = in_state(SecretState::Current).ok_or(PageError::NotFound)?;
    let staged = in_state(SecretState::Staged);
    // This node knows of every regeneration, so a quiet page reads nothing for it.
    let rotated = match staged {
        None if parts.verifier.has_revoked_within(id, JUST_ROTATED) => {
            rotated(parts, &parts.issuer.retired(who, id).await?, now)
        }
        _ => None,
    };
    let due_at = rotation_due_at(Environment::Production, &production.secrets).unwrap_or(now);
    let FormOutcome { notice, again, error, typed, .. } = said;
    let dialog = Dialog::shown(again, query)?;
    let dialog = dialog.filter(|dialog| who.only_organization().is_none() || !dialog.is_of_the_account());
    let impact = Impact::of(&production.secrets, &known.usage, StagedKey::Promote, now);
    let verdict = staged.map(|_| verdict(&impact, now));
    let dialog = dialog.and_then(|dialog| {
        let all = Everything { organization, keys: &keys, known: &known, seen: &seen(production) };
        confirm(&dialog, &all, verdict.as_ref(), parts.erase_after, (error, typed))
    });
    let status = notice_status(notice.as_ref());
    let secret = |secret| known.secret(parts, Environment::Production, secret);
    let page = Keys {
        shell: Shell::of(parts, who),
        tabs: Tabs::of(parts, organization, Tab::Keys),
        id: id.to_string(),
        suspended: organization.state == OrganizationState::Suspended,
        path: parts.path(id),
        production: format!("{}/keys/{}", parts.path(id), production.key.id),
        chart: known.chart(current.locator, staged.map(|staged| staged.locator)),
        share: staged.map(|staged| known.share(current.locator, staged.locator)),
        current: secret(current),
        next: staged.map(secret),
        verdict,
        rotated,
        due: RelativeTime::new(due_at, now),
        overdue: due_at <= now + REMINDER_LEAD,
        is_late: due_at <= now,
        test_keys: TestKeys::of(parts, &keys, &known.usage, query, now),
        reported: Reported::of(parts, &keys, now),
        dialog,
        notice,
        once: once(parts, query)?,
        now: RelativeTime::new(now, now),
    };
    Ok(reply::page(status, &page))
}

/// Returns the idempotency key of a page's forms.
pub(super) fn once(parts: &Parts, query: &Form) -> Result<String, PageError> {
    let mut once = [0; 16];
    // A look for changes sends no form, and what has not changed must look the same.
    if !query.is_live() {
        parts.verifier.core().random().fill(&mut once)?;
    }
    Ok(BASE64_URL_SAFE_NO_PAD.encode(once))
}

/// Returns the secrets of the production key, the current one first.
fn seen(production: &AccessKeyWithSecrets) -> String {
    production.secrets.iter().map(|secret| secret.locator.to_string()).collect::<Vec<_>>().join(" ")
}

/// The page of a closed organization.
#[derive(Template)]
#[template(path = "closed.html")]
struct Closed<'a> {
    shell: Shell<'a>,
    tabs: Tabs,
    id: String,
    notice: Option<Notice>,
    /// The time from which the data is erased, or `None` if it is gone.
    erase: Option<RelativeTime>,
}

pub(super) fn closed(
    parts: &Parts,
    who: &Caller,
    organization: &Organization,
    notice: Option<Notice>,
) -> Result<Reply, PageError> {
    let now = parts.verifier.core().clock().now();
    let status = notice_status(notice.as_ref());
    let page = Closed {
        shell: Shell::of(parts, who),
        tabs: Tabs::of(parts, organization, Tab::Keys),
        id: organization.id.to_string(),
        notice,
        erase: organization.erase_at.map(|erase_at| RelativeTime::new(erase_at, now)),
    };
    Ok(reply::page(status, &page))
}

/// Returns the status of a page with this notice.
pub(super) fn notice_status(notice: Option<&Notice>) -> StatusCode {
    if notice.is_some_and(|notice| notice.warns) { StatusCode::CONFLICT } else { StatusCode::OK }
}

impl Keys<'_> {
    /// Returns whether a regeneration would refuse nobody.
    fn is_safe(&self) -> bool {
        self.verdict.as_ref().is_some_and(|verdict| verdict.safe)
    }
}
