//! *Settings → API Keys*: the production key, test keys, and allowed callback origins.

use std::time::Duration;

use askama::Template;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use doorward_auth::{Impact, OperatorPrincipal, StagedKey, rotation_due_at};
use doorward_store::{AccessKeyWithSecrets, Organization, OriginEntry, Secret, SecretUsage, SpanUses};
use doorward_types::{AccessKeyId, AllowedOriginId, Environment, Locator, SecretState, Timestamp};
use http::StatusCode;

use super::said::{Dialog, Notice, Said, Shown, Tried};
use super::when::{between, long};
use super::{Moment, Shell, counted, grouped};
use crate::fault::Fault;
use crate::form::Form;
use crate::reply::{self, Reply};
use crate::state::Parts;

/// How long before it is due people are reminded that a rotation is.
const REMIND: Duration = Duration::from_hours(30 * 24);

/// The bars of the picture: one an hour.
const BARS: usize = 24;

#[derive(Template)]
#[template(path = "keys.html")]
struct Keys<'a> {
    shell: Shell<'a>,
    id: String,
    organization: String,
    /// As a word that gives way to nothing else.
    path: String,
    current: SecretRow,
    next: Option<SecretRow>,
    /// What the old key's use means, while there is a next one.
    verdict: Option<Verdict>,
    due: Moment,
    overdue: bool,
    test_keys: Vec<TestKey>,
    origins: Vec<OriginRow>,
    dialog: Option<Confirm>,
    notice: Option<Notice>,
    shown: Option<Shown>,
    refused_origin: Option<(String, String)>,
    tried: Option<Tried>,
    /// What makes a repeat of a form change nothing.
    once: String,
    now: Moment,
}

/// A secret of the production key.
struct SecretRow {
    locator: Locator,
    created: Moment,
    last_used: Option<Moment>,
    uses: Uses,
}

/// The uses of a secret, as a picture.
struct Uses {
    last_hour: String,
    day: String,
    /// The height of each bar, of 32.
    bars: Vec<Bar>,
}

struct Bar {
    x: usize,
    y: u64,
    height: u64,
}

struct Verdict {
    text: String,
    safe: bool,
}

struct TestKey {
    id: AccessKeyId,
    name: String,
    locator: Locator,
    created: Moment,
    created_by: String,
    last_used: Option<Moment>,
    last_hour: String,
}

struct OriginRow {
    id: AllowedOriginId,
    origin: String,
    created: Moment,
    created_by: String,
}

/// A question, in words.
struct Confirm {
    title: String,
    text: Vec<String>,
    /// What the form is sent to, below the organization's page.
    action: String,
    button: &'static str,
    /// Something dies.
    kills: bool,
    field: Option<Field>,
    error: Option<String>,
    /// Where the focus goes when nothing is done.
    opener: &'static str,
}

struct Field {
    label: String,
    hint: String,
}

pub(crate) async fn page(
    parts: &Parts,
    who: &OperatorPrincipal,
    organization: &Organization,
    query: &Form,
    said: Said,
) -> Result<Reply, Fault> {
    let id = organization.id;
    let keys = parts.issuer.access_keys(who, id).await?;
    let (usage, spans) = (parts.issuer.usage(who, &keys).await?, parts.issuer.recent_uses(who, &keys).await?);
    let origins = parts.issuer.allowed_origins(who, organization).await?;
    let now = parts.verifier.core().clock().now();
    let known = Known { usage, spans, now };

    let production =
        keys.iter().find(|found| found.key.environment == Environment::Production).ok_or(Fault::NotFound)?;
    let in_state = |state| production.secrets.iter().find(|secret| secret.state == state).copied();
    let current = in_state(SecretState::Current).ok_or(Fault::NotFound)?;
    let staged = in_state(SecretState::Staged);
    let due_at = rotation_due_at(Environment::Production, &production.secrets).unwrap_or(now);
    let Said { notice, shown, again, error, refused_origin, tried } = said;
    let dialog = match again {
        Some(dialog) => Some(dialog),
        None => Dialog::asked(query)?,
    };
    let impact = Impact::of(&production.secrets, &known.usage, StagedKey::Promote, now);
    let verdict = staged.map(|_| verdict(&impact, now));
    let dialog = match dialog {
        Some(dialog) => confirm(dialog, organization, &keys, &origins, verdict.as_ref(), error)?,
        None => None,
    };
    let mut once = [0; 16];
    parts.verifier.core().random().fill(&mut once)?;
    let status = if notice.as_ref().is_some_and(|notice| notice.warns) { StatusCode::CONFLICT } else { StatusCode::OK };
    let page = Keys {
        shell: Shell { base: &parts.base, operator: Some(who.actor().as_str()) },
        id: id.to_string(),
        organization: organization.name.to_string(),
        path: parts.path(id),
        current: known.secret(current),
        next: staged.map(|staged| known.secret(staged)),
        verdict,
        due: Moment::new(due_at, now),
        overdue: due_at <= now + REMIND,
        test_keys: keys.iter().filter_map(|found| known.test_key(found)).collect(),
        origins: origins.into_iter().map(|entry| known.origin(entry)).collect(),
        dialog,
        notice,
        shown,
        refused_origin,
        tried,
        once: BASE64_URL_SAFE_NO_PAD.encode(once),
        now: Moment::new(now, now),
    };
    Ok(reply::page(status, &page))
}

impl Keys<'_> {
    /// The secrets that this page shows, which a form sends back: what has become of them since, is not changed by it.
    fn seen(&self) -> String {
        let next = self.next.as_ref().map(|next| next.locator.to_string());
        Some(self.current.locator.to_string()).into_iter().chain(next).collect::<Vec<_>>().join(" ")
    }
}

/// What is known of use, and when.
struct Known {
    usage: Vec<SecretUsage>,
    spans: Vec<SpanUses>,
    now: Timestamp,
}

impl Known {
    fn of(&self, locator: Locator) -> Option<&SecretUsage> {
        self.usage.iter().find(|usage| usage.locator == locator)
    }

    fn secret(&self, secret: Secret) -> SecretRow {
        SecretRow {
            locator: secret.locator,
            created: Moment::new(secret.created_at, self.now),
            last_used: self.of(secret.locator).map(|usage| Moment::new(usage.last_used_at, self.now)),
            uses: self.uses(secret.locator),
        }
    }

    fn uses(&self, locator: Locator) -> Uses {
        const HEIGHT: u64 = 32;
        let mut hours = [0_u64; BARS];
        let spans_an_hour = 3_600 / doorward_store::USAGE_SPAN.as_secs();
        for found in self.spans.iter().filter(|found| found.locator == locator) {
            let ago = u64::try_from(SecretUsage::span(self.now) - found.span).unwrap_or_default() / spans_an_hour;
            let place = usize::try_from(ago).ok().and_then(|ago| (BARS - 1).checked_sub(ago));
            if let Some(hour) = place.and_then(|place| hours.get_mut(place)) {
                *hour += found.uses;
            }
        }
        let most = hours.iter().copied().max().unwrap_or_default().max(1);
        let bars = hours.iter().enumerate().map(|(place, uses)| {
            // What was used at all, can be seen.
            let height = if *uses == 0 { 1 } else { (uses * HEIGHT / most).max(3) };
            Bar { x: place * 8, y: HEIGHT - height, height }
        });
        Uses {
            last_hour: grouped(self.of(locator).map_or(0, |usage| usage.uses_last_hour)),
            day: counted(hours.iter().sum(), "use"),
            bars: bars.collect(),
        }
    }

    fn test_key(&self, found: &AccessKeyWithSecrets) -> Option<TestKey> {
        let AccessKeyWithSecrets { key, secrets, .. } = found;
        let secret = secrets.first().filter(|_| key.environment == Environment::Test)?;
        let usage = self.of(secret.locator);
        Some(TestKey {
            id: key.id,
            name: key.name.to_string(),
            locator: secret.locator,
            created: Moment::new(key.created_at, self.now),
            created_by: key.created_by.to_string(),
            last_used: usage.map(|usage| Moment::new(usage.last_used_at, self.now)),
            last_hour: grouped(usage.map_or(0, |usage| usage.uses_last_hour)),
        })
    }

    fn origin(&self, entry: OriginEntry) -> OriginRow {
        let created = Moment::new(entry.created_at, self.now);
        OriginRow { id: entry.id, origin: entry.origin.to_string(), created, created_by: entry.created_by.to_string() }
    }
}

/// The consequences of a regeneration, in words.
fn verdict(impact: &Impact, now: Timestamp) -> Verdict {
    let last_used = impact.dying.first().and_then(|current| current.usage);
    let last_used = last_used.map(|usage| between(usage.last_used_at, now));
    let text = match (last_used, impact.refused().next()) {
        (None, _) => "Nobody has ever used the old key: safe to regenerate.".to_owned(),
        (Some(ago), None) => format!("Nobody has used the old key for {}: safe to regenerate.", long(ago)),
        (Some(ago), Some(_)) => {
            let ago = if ago < Duration::from_secs(5) { "just now".to_owned() } else { format!("{} ago", long(ago)) };
            format!("The old key was last used {ago}. Regenerating now would refuse those calls.")
        }
    };
    let rest = if impact.is_successor_unused() { " Nobody uses the next key yet: roll it out first." } else { "" };
    Verdict { text: format!("{text}{rest}"), safe: impact.is_safe() }
}

/// A question in words; none where it has become meaningless meanwhile.
fn confirm(
    dialog: Dialog,
    organization: &Organization,
    keys: &[AccessKeyWithSecrets],
    origins: &[OriginEntry],
    verdict: Option<&Verdict>,
    error: Option<String>,
) -> Result<Option<Confirm>, Fault> {
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
    Ok(Some(match dialog {
        Dialog::Stage if staged => return Ok(None),
        Dialog::Stage => {
            let text = [
                "A second production key is made, which works beside the current one. Nothing dies.",
                "Its value is shown once, on the next screen: have the place ready where your backend keeps its secrets.",
            ];
            let asked =
                confirm("Stage next key", owned(&text), "production-key/stage".into(), "Stage next key", "stage");
            Confirm { kills: false, ..asked }
        }
        Dialog::Unstage if !staged => return Ok(None),
        Dialog::Unstage => {
            let text = ["The next key dies everywhere at once. The current one goes on as before."];
            let action = "production-key/unstage".to_owned();
            confirm("Withdraw the next key", owned(&text), action, "Withdraw it", "unstage")
        }
        Dialog::Regenerate => {
            let text = match verdict {
                Some(verdict) => vec![
                    "The current key dies on every node before you see the next screen, and the next key takes its place. This cannot \
                     be undone."
                        .to_owned(),
                    verdict.text.clone(),
                ],
                None => owned(&[
                    "The current key dies on every node before you see the next screen, and a fresh one is shown there. Until your \
                     backends have the fresh one, their calls are refused.",
                    "To rotate without an outage, stage the next key first.",
                ]),
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
            if staged {
                text.push("The next key dies too, since it may have leaked with the other.".to_owned());
            }
            let asked = confirm("It leaked", text, "production-key/leaked".into(), "Kill it now", "leaked");
            Confirm { field: typed_name(), ..asked }
        }
        Dialog::Create => {
            let text = [
                "A test key opens the test environment, and nothing of production. Its value is shown once, on the next screen.",
            ];
            let asked = confirm("Create new key", owned(&text), "test-keys".into(), "Create key", "create");
            let hint = "What uses it, such as ci or Zoë’s laptop".to_owned();
            Confirm { kills: false, field: Some(Field { label: "Name".to_owned(), hint }), ..asked }
        }
        Dialog::Delete(id) => {
            let is_it =
                |found: &&AccessKeyWithSecrets| found.key.id == id && found.key.environment == Environment::Test;
            let Some(found) = keys.iter().find(is_it) else { return Ok(None) };
            let text = vec![
                format!("The test key {} dies everywhere at once. This cannot be undone.", found.key.name),
                "What was made with it stays in the test environment, for the other test keys.".to_owned(),
            ];
            confirm("Delete test key", text, format!("test-keys/{id}/delete"), "Delete key", "test-keys")
        }
        Dialog::Remove(id) => {
            let Some(entry) = origins.iter().find(|entry| entry.id == id) else { return Ok(None) };
            let text =
                vec![format!("No callback goes to {} any more, also not for links that are under way.", entry.origin)];
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
        Secret { locator, digest, generation, state, created_at: Timestamp::from_millis(0) }
    }

    fn known(uses: &[(&Secret, Duration)], now: Timestamp) -> Known {
        let usage = |(secret, ago): &(&Secret, Duration)| SecretUsage {
            locator: secret.locator,
            last_used_at: now - *ago,
            uses_last_hour: 1,
        };
        Known { usage: uses.iter().map(usage).collect(), spans: vec![], now }
    }

    #[test]
    fn a_plain_sentence_says_what_regenerating_would_do() {
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
            // What ran yesterday at this time has not run yet today.
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
    fn the_picture_has_a_bar_for_each_hour_and_every_use_in_it() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let current = secret("aaaaaaaaaa", 1, SecretState::Current);
        let span = |ago: i64, uses| SpanUses { locator: current.locator, span: SecretUsage::span(now) - ago, uses };
        let spans = vec![span(0, 10), span(5, 20), span(6, 60), span(143, 1), span(144, 1_000)];
        let uses = Known { spans, ..known(&[], now) }.uses(current.locator);
        let heights: Vec<_> = uses.bars.iter().map(|bar| bar.height).collect();
        let quiet = [1; 21];
        assert_eq!(heights, [&[3][..], &quiet, &[32, 16]].concat());
        assert_eq!((uses.day.as_str(), uses.last_hour.as_str()), ("91 uses", "0"));
        assert!(uses.bars.iter().all(|bar| bar.y + bar.height == 32));
    }
}
