//! *Settings → API Keys*: the production key, test keys, and allowed callback origins.

use std::time::Duration;

use askama::Template;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use doorward_auth::{Impact, StagedKey, rotation_due_at};
use doorward_store::{AccessKeyWithSecrets, Organization, OriginEntry, Secret, SecretUsage, UsageBucket};
use doorward_types::{AllowedOriginId, Environment, Locator, OrganizationState, SecretState, Timestamp};
use http::StatusCode;

use super::said::{Dialog, FormOutcome, Notice, OriginTest, RevealedKey};
use super::test_keys::TestKeys;
use super::when::{ago, between, long};
use super::{RelativeTime, Shell, counted, grouped};
use crate::caller::Caller;
use crate::form::Form;
use crate::page_error::PageError;
use crate::reply::{self, Reply};
use crate::state::Parts;

/// The time before a rotation is due at which the page reminds people.
const REMINDER_LEAD: Duration = Duration::from_hours(30 * 24);

/// The number of bars in the chart: one for each hour.
const BARS: usize = 24;

/// The height of the chart, in its own units.
const BAR_HEIGHT: u64 = 32;

#[derive(Template)]
#[template(path = "keys.html")]
struct Keys<'a> {
    shell: Shell<'a>,
    id: String,
    organization: String,
    suspended: bool,
    /// The path of the organization's page.
    path: String,
    current: SecretRow,
    next: Option<SecretRow>,
    chart: Chart,
    /// The share of the calls of the last hour with the next key, if there is a next key.
    share: Option<Share>,
    /// The meaning of the old key's use, if a next key exists.
    verdict: Option<Verdict>,
    due: RelativeTime,
    overdue: bool,
    is_late: bool,
    test_keys: TestKeys,
    origins: Vec<OriginRow>,
    dialog: Option<Confirm>,
    notice: Option<Notice>,
    refused_origin: Option<(String, String)>,
    tried: Option<OriginTest>,
    /// The form's idempotency key, so that a repeat changes nothing.
    once: String,
    now: RelativeTime,
}

/// A secret of the production key.
struct SecretRow {
    locator: Locator,
    imported: bool,
    created: RelativeTime,
    last_used: Option<RelativeTime>,
    last_hour: String,
}

/// The uses of the production key, hour by hour, on one scale: those of the current secret, and on top those of the next.
struct Chart {
    current: String,
    next: Option<String>,
    /// The uses of the busiest hour.
    most: String,
    bars: Vec<Bar>,
}

/// An hour. The heights are on the scale of the chart, which has [`BAR_HEIGHT`].
struct Bar {
    x: usize,
    title: String,
    current: Piece,
    next: Option<Piece>,
}

struct Piece {
    y: u64,
    height: u64,
}

/// A part of the calls of the last hour.
struct Share {
    percent: u64,
    of: String,
}

struct Verdict {
    text: String,
    safe: bool,
}

struct OriginRow {
    id: AllowedOriginId,
    origin: String,
    created: RelativeTime,
    created_by: String,
}

/// A confirmation question.
struct Confirm {
    title: String,
    text: Vec<String>,
    /// The form's target, below the organization's page.
    action: String,
    button: &'static str,
    /// True if a key dies.
    kills: bool,
    field: Option<Field>,
    error: Option<String>,
    /// The element that gets the focus after a cancel.
    opener: &'static str,
}

struct Field {
    label: String,
    hint: String,
}

pub(crate) async fn page(
    parts: &Parts,
    who: &Caller,
    organization: &Organization,
    query: &Form,
    said: FormOutcome,
) -> Result<Reply, PageError> {
    let id = organization.id;
    if let Some(shown) = said.shown {
        // Nothing else is in this answer: a connection that breaks must not break before the value.
        return Ok(reply::page_with_secret(&Shown { shell: Shell::of(parts, who), path: parts.path(id), shown }));
    }
    if organization.is_closed() {
        return closed(parts, who, organization, said.notice);
    }
    let keys = parts.issuer.access_keys(who, id).await?;
    let (usage, spans) = (parts.issuer.usage(who, &keys).await?, parts.issuer.recent_uses(who, &keys).await?);
    let origins = parts.issuer.allowed_origins(who, organization).await?;
    let now = parts.verifier.core().clock().now();
    let known = UsageView { usage, spans, now };

    let production =
        keys.iter().find(|found| found.key.environment == Environment::Production).ok_or(PageError::NotFound)?;
    let in_state = |state| production.secrets.iter().find(|secret| secret.state == state).copied();
    let current = in_state(SecretState::Current).ok_or(PageError::NotFound)?;
    let staged = in_state(SecretState::Staged);
    let due_at = rotation_due_at(Environment::Production, &production.secrets).unwrap_or(now);
    let FormOutcome { notice, shown: _, again, error, refused_origin, tried } = said;
    let dialog = match again {
        Some(dialog) => Some(dialog),
        None => Dialog::asked(query)?,
    };
    let dialog = dialog.filter(|dialog| who.only_organization().is_none() || !dialog.is_of_the_account());
    let impact = Impact::of(&production.secrets, &known.usage, StagedKey::Promote, now);
    let verdict = staged.map(|_| verdict(&impact, now));
    let dialog = match dialog {
        Some(dialog) => {
            let all = Everything { organization, keys: &keys, origins: &origins, known: &known };
            confirm(dialog, &all, verdict.as_ref(), parts.erase_after, error)?
        }
        None => None,
    };
    let mut once = [0; 16];
    // A look for changes sends no form, and what has not changed must look the same.
    if !query.has("live") {
        parts.verifier.core().random().fill(&mut once)?;
    }
    let status = notice_status(notice.as_ref());
    let page = Keys {
        shell: Shell::of(parts, who),
        id: id.to_string(),
        organization: organization.name.to_string(),
        suspended: organization.state == OrganizationState::Suspended,
        path: parts.path(id),
        chart: known.chart(current.locator, staged.map(|staged| staged.locator)),
        share: staged.map(|staged| known.share(current.locator, staged.locator)),
        current: known.secret(current),
        next: staged.map(|staged| known.secret(staged)),
        verdict,
        due: RelativeTime::new(due_at, now),
        overdue: due_at <= now + REMINDER_LEAD,
        is_late: due_at <= now,
        test_keys: TestKeys::of(&keys, &known.usage, query, now),
        origins: origins.into_iter().map(|entry| known.origin(entry)).collect(),
        dialog,
        notice,
        refused_origin,
        tried,
        once: BASE64_URL_SAFE_NO_PAD.encode(once),
        now: RelativeTime::new(now, now),
    };
    Ok(reply::page(status, &page))
}

/// The only answer with a value.
#[derive(Template)]
#[template(path = "shown.html")]
struct Shown<'a> {
    shell: Shell<'a>,
    /// The path of the organization's page.
    path: String,
    shown: RevealedKey,
}

/// The page of a closed organization.
#[derive(Template)]
#[template(path = "closed.html")]
struct Closed<'a> {
    shell: Shell<'a>,
    id: String,
    organization: String,
    path: String,
    notice: Option<Notice>,
    /// The time from which the data is erased, or `None` if it is gone.
    erase: Option<RelativeTime>,
}

fn closed(
    parts: &Parts,
    who: &Caller,
    organization: &Organization,
    notice: Option<Notice>,
) -> Result<Reply, PageError> {
    let now = parts.verifier.core().clock().now();
    let status = notice_status(notice.as_ref());
    let page = Closed {
        shell: Shell::of(parts, who),
        id: organization.id.to_string(),
        organization: organization.name.to_string(),
        path: parts.path(organization.id),
        notice,
        erase: organization.erase_at.map(|erase_at| RelativeTime::new(erase_at, now)),
    };
    Ok(reply::page(status, &page))
}

/// Returns the status of a page with this notice.
fn notice_status(notice: Option<&Notice>) -> StatusCode {
    if notice.is_some_and(|notice| notice.warns) { StatusCode::CONFLICT } else { StatusCode::OK }
}

impl Keys<'_> {
    /// Returns whether a regeneration would refuse nobody.
    fn is_safe(&self) -> bool {
        self.verdict.as_ref().is_some_and(|verdict| verdict.safe)
    }

    /// Returns the secrets on this page, which a form sends back: if they have changed since, the form changes nothing.
    fn seen(&self) -> String {
        let next = self.next.as_ref().map(|next| next.locator.to_string());
        Some(self.current.locator.to_string()).into_iter().chain(next).collect::<Vec<_>>().join(" ")
    }
}

/// The known uses, and the time of the look.
struct UsageView {
    usage: Vec<SecretUsage>,
    spans: Vec<UsageBucket>,
    now: Timestamp,
}

impl UsageView {
    fn of(&self, locator: Locator) -> Option<&SecretUsage> {
        self.usage.iter().find(|usage| usage.locator == locator)
    }

    fn secret(&self, secret: Secret) -> SecretRow {
        SecretRow {
            locator: secret.locator,
            imported: secret.imported.is_some(),
            created: RelativeTime::new(secret.created_at, self.now),
            last_used: self.of(secret.locator).map(|usage| RelativeTime::new(usage.last_used_at, self.now)),
            last_hour: grouped(self.last_hour(secret.locator)),
        }
    }

    fn last_hour(&self, locator: Locator) -> u64 {
        self.of(locator).map_or(0, |usage| usage.uses_last_hour)
    }

    /// Returns the share of the calls of the last hour with the next secret.
    fn share(&self, current: Locator, next: Locator) -> Share {
        let (next, all) = (self.last_hour(next), self.last_hour(current) + self.last_hour(next));
        Share { percent: (next * 100).checked_div(all).unwrap_or_default(), of: counted(all, "call") }
    }

    /// Returns who is hurt if these secrets die.
    fn hurt<'s>(&self, secrets: impl IntoIterator<Item = &'s Secret>) -> String {
        let used: Vec<_> = secrets.into_iter().filter_map(|secret| self.of(secret.locator)).collect();
        let Some(last) = used.iter().map(|usage| usage.last_used_at).max() else {
            return "Nobody has used it so far.".to_owned();
        };
        let ago = ago(between(last, self.now));
        match used.iter().map(|usage| usage.uses_last_hour).sum() {
            0 => format!("The last call was {ago}, and none in the last hour."),
            uses => format!("{} in the last hour, the last one {ago}: such calls are refused.", counted(uses, "call")),
        }
    }

    fn hours(&self, locator: Locator) -> [u64; BARS] {
        let mut hours = [0_u64; BARS];
        let spans_an_hour = 3_600 / doorward_store::USAGE_BUCKET.as_secs();
        for found in self.spans.iter().filter(|found| found.locator == locator) {
            let ago = u64::try_from(SecretUsage::span(self.now) - found.span).unwrap_or_default() / spans_an_hour;
            let place = usize::try_from(ago).ok().and_then(|ago| (BARS - 1).checked_sub(ago));
            if let Some(hour) = place.and_then(|place| hours.get_mut(place)) {
                *hour += found.uses;
            }
        }
        hours
    }

    /// Returns the uses of both secrets on one scale.
    fn chart(&self, current: Locator, next: Option<Locator>) -> Chart {
        let (current, next) = (self.hours(current), next.map(|next| self.hours(next)));
        let of_next = |place: usize| next.and_then(|next| next.get(place).copied()).unwrap_or_default();
        let most = current.iter().enumerate().map(|(place, uses)| uses + of_next(place)).max().unwrap_or_default();
        // Even a single use must be visible.
        let height = |uses: u64| if uses == 0 { 0 } else { (uses * BAR_HEIGHT / most.max(1)).max(1) };
        let bars = current.iter().enumerate().map(|(place, uses)| {
            let (below, above) = (height(*uses), height(of_next(place)));
            // The smaller piece got at least one unit, and both must fit.
            let below = below.min(BAR_HEIGHT - above);
            let hour = (self.now - Duration::from_hours((BARS - 1 - place) as u64)).to_string();
            let hour = hour.get(11..13).unwrap_or_default();
            let title = match next {
                Some(_) => format!(
                    "{hour}:00 UTC: {} with the current key, {} with the next",
                    grouped(*uses),
                    grouped(of_next(place))
                ),
                None => format!("{hour}:00 UTC: {}", counted(*uses, "use")),
            };
            Bar {
                x: place * 8,
                title,
                current: Piece { y: BAR_HEIGHT - below, height: below },
                next: next.map(|_| Piece { y: BAR_HEIGHT - below - above, height: above }),
            }
        });
        Chart {
            current: counted(current.iter().sum(), "use"),
            next: next.map(|next| counted(next.iter().sum(), "use")),
            most: counted(most, "use"),
            bars: bars.collect(),
        }
    }

    fn origin(&self, entry: OriginEntry) -> OriginRow {
        let created = RelativeTime::new(entry.created_at, self.now);
        OriginRow { id: entry.id, origin: entry.origin.to_string(), created, created_by: entry.created_by.to_string() }
    }
}

/// Returns the consequences of a regeneration, in words.
fn verdict(impact: &Impact, now: Timestamp) -> Verdict {
    let last_used = impact.dying.first().and_then(|current| current.usage);
    let last_used = last_used.map(|usage| between(usage.last_used_at, now));
    let text = match (last_used, impact.refused().next()) {
        (None, _) => "Nobody has ever used the old key: safe to regenerate.".to_owned(),
        (Some(gap), None) => format!("Nobody has used the old key for {}: safe to regenerate.", long(gap)),
        (Some(gap), Some(_)) => {
            format!("The old key was last used {}. Regenerating now would refuse those calls.", ago(gap))
        }
    };
    let rest = if impact.is_successor_unused() { " Nobody uses the next key yet: roll it out first." } else { "" };
    Verdict { text: format!("{text}{rest}"), safe: impact.is_safe() }
}

/// The records of the page.
struct Everything<'a> {
    organization: &'a Organization,
    keys: &'a [AccessKeyWithSecrets],
    origins: &'a [OriginEntry],
    known: &'a UsageView,
}

impl Everything<'_> {
    /// Returns who is hurt if the production key dies: its current secret, or all secrets.
    fn hurt_in_production(&self, staged: StagedKey) -> String {
        let production = self.keys.iter().filter(|found| found.key.environment == Environment::Production);
        let dies = |secret: &&Secret| staged == StagedKey::Discard || secret.state == SecretState::Current;
        self.known.hurt(production.flat_map(|found| &found.secrets).filter(dies))
    }

    /// Returns who is hurt if every key dies.
    fn hurt_everywhere(&self) -> String {
        self.known.hurt(self.keys.iter().flat_map(|found| &found.secrets))
    }
}

/// Returns a question, or `None` if it no longer makes sense.
fn confirm(
    dialog: Dialog,
    all: &Everything<'_>,
    verdict: Option<&Verdict>,
    erase_after: Duration,
    error: Option<String>,
) -> Result<Option<Confirm>, PageError> {
    let Everything { organization, keys, origins, known } = *all;
    let owned = |sentences: &[&str]| sentences.iter().map(|sentence| (*sentence).to_owned()).collect::<Vec<_>>();
    let confirm = |title: &str, text: Vec<String>, action: String, button, opener| Confirm {
        title: title.to_owned(),
        text,
        action,
        button,
        kills: true,
        field: None,
        error,
        opener,
    };
    let typed_name = || {
        let hint = format!("To go on, type {}", organization.name);
        Some(Field { label: "The organization’s name".to_owned(), hint })
    };
    let staged = verdict.is_some();
    let is_suspended = organization.state == OrganizationState::Suspended;
    Ok(Some(match dialog {
        Dialog::Stage if staged => return Ok(None),
        Dialog::Stage => {
            let text = [
                "This makes a second production key, which works beside the current key. No key dies.",
                "Its value is shown once, on the next screen. Have your backend’s secret store ready.",
            ];
            let asked =
                confirm("Stage next key", owned(&text), "production-key/stage".into(), "Stage next key", "stage");
            Confirm { kills: false, ..asked }
        }
        Dialog::Unstage if !staged => return Ok(None),
        Dialog::Unstage => {
            let production = keys.iter().filter(|found| found.key.environment == Environment::Production);
            let next = production.flat_map(|found| &found.secrets).filter(|secret| secret.state == SecretState::Staged);
            let hurt = known.hurt(&next.copied().collect::<Vec<_>>());
            let text = vec!["The next key dies everywhere at once. The current key stays as it is.".to_owned(), hurt];
            let action = "production-key/unstage".to_owned();
            confirm("Withdraw the next key", text, action, "Withdraw it", "unstage")
        }
        Dialog::Regenerate => {
            let text = match verdict {
                Some(verdict) => vec![
                    "The current key dies on every node before you see the next screen, and the next key takes its place. This cannot \
                     be undone."
                        .to_owned(),
                    verdict.text.clone(),
                ],
                None => vec![
                    "The current key dies on every node before you see the next screen, and a fresh one is shown there. Until your \
                     backends have the fresh one, their calls are refused."
                        .to_owned(),
                    all.hurt_in_production(StagedKey::Promote),
                    "To rotate without an outage, stage the next key first.".to_owned(),
                ],
            };
            let action = "production-key/regenerate".to_owned();
            let asked = confirm("Regenerate token", text, action, "Regenerate token", "regenerate");
            Confirm { field: typed_name(), ..asked }
        }
        Dialog::Leaked => {
            let mut text = owned(&[
                "Regenerate first, roll out second: the leaked key dies on every node before you see the next screen, and a fresh one is \
                 shown there. Until your backends have it, their calls are refused.",
            ]);
            text.push(all.hurt_in_production(StagedKey::Discard));
            if staged {
                text.push("The next key dies too, since it may have leaked with the current key.".to_owned());
            }
            let asked = confirm("The key leaked", text, "production-key/leaked".into(), "Kill it now", "leaked");
            Confirm { field: typed_name(), ..asked }
        }
        Dialog::Create => {
            let text = ["A test key opens the test environment only. Its value is shown once, on the next screen."];
            let asked = confirm("Create new key", owned(&text), "test-keys".into(), "Create key", "create");
            let hint = "The key’s user, such as ci or Zoë’s laptop".to_owned();
            Confirm { kills: false, field: Some(Field { label: "Name".to_owned(), hint }), ..asked }
        }
        Dialog::Delete(id) => {
            let is_it =
                |found: &&AccessKeyWithSecrets| found.key.id == id && found.key.environment == Environment::Test;
            let Some(found) = keys.iter().find(is_it) else { return Ok(None) };
            let text = vec![
                format!("The test key {} dies everywhere at once. This cannot be undone.", found.key.name),
                known.hurt(&found.secrets),
                "Data that it created stays in the test environment, for the other test keys.".to_owned(),
            ];
            confirm("Delete test key", text, format!("test-keys/{id}/delete"), "Delete key", "test-keys")
        }
        Dialog::Rename => {
            let text = owned(&["Keys and logs stay. Callers see the new name in the answers of this service."]);
            let asked = confirm("Rename the organization", text, "rename".into(), "Rename it", "rename");
            let hint = format!("It is {} now", organization.name);
            Confirm { kills: false, field: Some(Field { label: "The new name".to_owned(), hint }), ..asked }
        }
        Dialog::Suspend if is_suspended => return Ok(None),
        Dialog::Suspend => {
            let text = vec![
                "All keys of this organization are refused everywhere, production and test, until it is resumed."
                    .to_owned(),
                all.hurt_everywhere(),
                "Its keys, data and logs stay.".to_owned(),
            ];
            confirm("Suspend the organization", text, "suspend".into(), "Suspend it", "suspend")
        }
        Dialog::Resume if !is_suspended => return Ok(None),
        Dialog::Resume => {
            let text = owned(&["All keys of this organization work again."]);
            let asked = confirm("Resume the organization", text, "resume".into(), "Resume it", "resume");
            Confirm { kills: false, ..asked }
        }
        Dialog::Close => {
            let text = vec![
                "Every key of this organization dies everywhere at once. This cannot be undone.".to_owned(),
                all.hurt_everywhere(),
                format!(
                    "Its users, credentials, connectors and links are erased {} later. Its logs stay.",
                    long(erase_after)
                ),
            ];
            let asked = confirm("Close the organization", text, "close".into(), "Close it for good", "close");
            Confirm { field: typed_name(), ..asked }
        }
        Dialog::Remove(id) => {
            let Some(entry) = origins.iter().find(|entry| entry.id == id) else { return Ok(None) };
            let text = vec![format!("Callbacks no longer go to {}, not even for links in progress.", entry.origin)];
            let action = format!("allowed-origins/{id}/remove");
            confirm("Remove origin", text, action, "Remove it", "allowed-origins")
        }
    }))
}

#[cfg(test)]
mod tests {
    use doorward_auth::QUIET_PERIOD;
    use doorward_key::Digest;

    use super::*;

    fn secret(locator: &str, generation: u32, state: SecretState) -> Secret {
        let (locator, digest) = (locator.parse().unwrap(), Digest::from_bytes([0; 32]));
        Secret::new(state, locator, digest, generation, Timestamp::from_millis(0))
    }

    fn known(uses: &[(&Secret, Duration)], now: Timestamp) -> UsageView {
        let usage = |(secret, ago): &(&Secret, Duration)| SecretUsage::new(secret.locator, now - *ago, 1);
        UsageView { usage: uses.iter().map(usage).collect(), spans: vec![], now }
    }

    #[test]
    fn the_verdict_describes_the_effect_of_regenerating() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let current = secret("aaaaaaaaaa", 1, SecretState::Current);
        let staged = secret("bbbbbbbbbb", 2, SecretState::Staged);
        let (minutes, days) = (Duration::from_mins(4), Duration::from_hours(48));
        let unrolled = " Nobody uses the next key yet: roll it out first.";
        for (uses, text, safe) in [
            (
                vec![(&current, minutes), (&staged, minutes)],
                "The old key was last used 4 minutes ago. Regenerating now would refuse those calls.".to_owned(),
                false,
            ),
            (
                vec![(&current, days), (&staged, minutes)],
                "Nobody has used the old key for 2 days: safe to regenerate.".to_owned(),
                true,
            ),
            (vec![(&staged, minutes)], "Nobody has ever used the old key: safe to regenerate.".to_owned(), true),
            (vec![], format!("Nobody has ever used the old key: safe to regenerate.{unrolled}"), false),
            // A daily job that ran yesterday at this time has not run again yet.
            (
                vec![(&current, QUIET_PERIOD - Duration::from_millis(1)), (&staged, minutes)],
                "The old key was last used 23 hours ago. Regenerating now would refuse those calls.".to_owned(),
                false,
            ),
        ] {
            let impact = Impact::of(&[current, staged], &known(&uses, now).usage, StagedKey::Promote, now);
            let verdict = verdict(&impact, now);
            assert_eq!((verdict.text, verdict.safe), (text, safe));
        }
    }

    #[test]
    fn the_chart_has_a_bar_for_each_hour_and_includes_every_use() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let current = secret("aaaaaaaaaa", 1, SecretState::Current);
        let span = |ago: i64, uses| UsageBucket::new(current.locator, SecretUsage::span(now) - ago, uses);
        let spans = vec![span(0, 10), span(5, 20), span(6, 60), span(143, 1), span(144, 1_000)];
        let chart = UsageView { spans, ..known(&[], now) }.chart(current.locator, None);
        let heights: Vec<_> = chart.bars.iter().map(|bar| bar.current.height).collect();
        let quiet = [0; 21];
        assert_eq!(heights, [&[1][..], &quiet, &[32, 16]].concat());
        assert_eq!((chart.current.as_str(), chart.most.as_str()), ("91 uses", "60 uses"));
        assert!(chart.bars.iter().all(|bar| bar.current.y + bar.current.height == 32 && bar.next.is_none()));
    }

    /// Five calls beside half a million are a line, and not a full bar.
    #[test]
    fn both_keys_have_one_scale_and_a_share() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let (current, next) =
            (secret("aaaaaaaaaa", 1, SecretState::Current), secret("bbbbbbbbbb", 2, SecretState::Staged));
        let span = |secret: &Secret, uses| UsageBucket::new(secret.locator, SecretUsage::span(now), uses);
        let spans = vec![span(&current, 562_063), span(&next, 5)];
        let usage = [(current, 562_063), (next, 5)].map(|(secret, uses)| SecretUsage::new(secret.locator, now, uses));
        let view = UsageView { usage: usage.to_vec(), spans, now };
        let chart = view.chart(current.locator, Some(next.locator));
        let last = chart.bars.last().unwrap();
        let above = last.next.as_ref().unwrap();
        assert_eq!((last.current.height, above.height, above.y), (31, 1, 0));
        assert!(last.title.ends_with("UTC: 562,063 with the current key, 5 with the next"), "{}", last.title);
        let share = view.share(current.locator, next.locator);
        assert_eq!((share.percent, share.of.as_str()), (0, "562,068 calls"));
        assert_eq!(view.share(next.locator, current.locator).percent, 99);
        assert_eq!(view.hurt(&[next]), "5 calls in the last hour, the last one just now: such calls are refused.");
        let unused = secret("cccccccccc", 1, SecretState::Current);
        assert_eq!(view.hurt(&[unused]), "Nobody has used it so far.");
    }
}
