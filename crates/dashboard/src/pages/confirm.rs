//! The questions before a change of keys or of the organization.

use std::time::Duration;

use doorward_store::{AccessKeyWithSecrets, Organization, Secret};
use doorward_types::{AccessKeyId, Environment, OrganizationState, SecretState};

use super::counted;
use super::said::Dialog;
use super::uses::{UsageView, Verdict};
use super::when::long;
use crate::form::Typed;

/// The number of keys that a question names.
const SHOWN_NAMES: usize = 8;

/// A confirmation question.
pub(super) struct Confirm {
    pub(super) title: String,
    pub(super) text: Vec<String>,
    /// The form's target, below the organization's page.
    pub(super) action: String,
    pub(super) button: String,
    /// True if a key dies.
    pub(super) kills: bool,
    pub(super) field: Option<Field>,
    /// True if a tick confirms, and a reason may be typed.
    pub(super) is_leak: bool,
    /// The chosen keys.
    pub(super) keys: Vec<AccessKeyId>,
    /// The secrets on the page, which the form sends back: if they have changed since, the form changes nothing.
    pub(super) seen: Option<String>,
    pub(super) typed: Typed,
    pub(super) error: Option<String>,
    /// The element that gets the focus after a cancel.
    pub(super) opener: &'static str,
}

pub(super) struct Field {
    pub(super) label: String,
    pub(super) hint: String,
}

/// The records of the page.
pub(super) struct Everything<'a> {
    pub(super) organization: &'a Organization,
    pub(super) keys: &'a [AccessKeyWithSecrets],
    pub(super) known: &'a UsageView,
    /// The secrets of the production key on the page.
    pub(super) seen: &'a str,
}

impl Everything<'_> {
    /// Returns who is hurt if the production key's secrets in these states die.
    fn hurt_in_production(&self, dying: &[SecretState]) -> String {
        let production = self.keys.iter().filter(|found| found.key.environment == Environment::Production);
        let dies = |secret: &&Secret| dying.contains(&secret.state);
        self.known.hurt(production.flat_map(|found| &found.secrets).filter(dies))
    }

    /// Returns who is hurt if every key dies.
    fn hurt_everywhere(&self) -> String {
        self.known.hurt(self.keys.iter().flat_map(|found| &found.secrets))
    }
}

/// Returns a question, or `None` if it no longer makes sense.
pub(super) fn confirm(
    dialog: &Dialog,
    all: &Everything<'_>,
    verdict: Option<&Verdict>,
    erase_after: Duration,
    (error, typed): (Option<String>, Typed),
) -> Option<Confirm> {
    let Everything { organization, keys, known, seen } = *all;
    let owned = |sentences: &[&str]| sentences.iter().map(|sentence| (*sentence).to_owned()).collect::<Vec<_>>();
    let confirm = |title: &str, text: Vec<String>, action: String, button: &str, opener| Confirm {
        seen: action.starts_with("production-key").then(|| seen.to_owned()),
        title: title.to_owned(),
        text,
        action,
        button: button.to_owned(),
        kills: true,
        field: None,
        is_leak: false,
        keys: vec![],
        error,
        typed,
        opener,
    };
    let typed_name = |or: &str| {
        let hint = format!("To go on, type {}{or}", organization.name);
        Some(Field { label: "The organization’s name".to_owned(), hint })
    };
    let staged = verdict.is_some();
    let is_suspended = organization.state == OrganizationState::Suspended;
    Some(match dialog {
        Dialog::Stage if staged => return None,
        Dialog::Stage => {
            let text = [
                "This makes a second production key, which works beside the current key. No key dies.",
                "Its value is shown once, on the next screen. Have your backend’s secret store ready.",
            ];
            let asked =
                confirm("Stage next key", owned(&text), "production-key/stage".into(), "Stage next key", "stage");
            Confirm { kills: false, ..asked }
        }
        Dialog::Unstage if !staged => return None,
        Dialog::Unstage => {
            let hurt = all.hurt_in_production(&[SecretState::Staged]);
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
                    all.hurt_in_production(&[SecretState::Current]),
                    "To rotate without an outage, stage the next key first.".to_owned(),
                ],
            };
            let action = "production-key/regenerate".to_owned();
            let asked = confirm("Regenerate token", text, action, "Regenerate token", "regenerate");
            Confirm { field: typed_name(", or the beginning of the current key’s locator"), ..asked }
        }
        Dialog::Leaked => {
            let text = vec![
                "Regenerate first, roll out second: the leaked key dies on every node before you see the next screen, and a fresh \
                 one is shown there. Until your backends have it, their calls are refused."
                    .to_owned(),
                all.hurt_in_production(&[SecretState::Current, SecretState::Staged]),
            ];
            let (kills, button) = match staged {
                true => (
                    "The next key dies too, since it may have leaked with the current key.",
                    "Kill both keys and show a new one",
                ),
                false => ("The audit trail says that the key has leaked.", "Kill the key and show a new one"),
            };
            let text = [text, vec![kills.to_owned()]].concat();
            let asked = confirm("The key leaked", text, "production-key/leaked".into(), button, "leaked");
            Confirm { is_leak: true, ..asked }
        }
        Dialog::Create => {
            let text = ["A test key opens the test environment only. Its value is shown once, on the next screen."];
            let asked = confirm("Create new key", owned(&text), "test-keys".into(), "Create key", "create");
            let hint = "The key’s user, such as ci or Zoë’s laptop".to_owned();
            Confirm { kills: false, field: Some(Field { label: "Name".to_owned(), hint }), ..asked }
        }
        Dialog::Delete(id) => {
            let is_it =
                |found: &&AccessKeyWithSecrets| found.key.id == *id && found.key.environment == Environment::Test;
            let found = keys.iter().find(is_it)?;
            let text = vec![
                format!("The test key {} dies everywhere at once. This cannot be undone.", found.key.name),
                known.hurt(&found.secrets),
                "Data that it created stays in the test environment, for the other test keys.".to_owned(),
            ];
            let button = format!("Delete {}", found.key.name);
            confirm("Delete test key", text, format!("test-keys/{id}/delete"), &button, "test-keys")
        }
        Dialog::DeleteMany(chosen) => {
            let is_chosen = |found: &&AccessKeyWithSecrets| {
                found.key.environment == Environment::Test && chosen.contains(&found.key.id)
            };
            let found: Vec<_> = keys.iter().filter(is_chosen).collect();
            let first = found.first()?;
            let names =
                found.iter().take(SHOWN_NAMES).map(|found| found.key.name.as_str()).collect::<Vec<_>>().join(", ");
            let rest = match found.len().checked_sub(SHOWN_NAMES) {
                Some(rest) if rest > 0 => format!(" and {}", counted(rest as u64, "other")),
                _ => String::new(),
            };
            let what = counted(found.len() as u64, "test key");
            let text = vec![
                format!("{names}{rest}: they die everywhere at once. This cannot be undone."),
                known.hurt(found.iter().flat_map(|found| &found.secrets)),
                "Data that they created stays in the test environment, for the other test keys.".to_owned(),
            ];
            let button = match found.len() {
                1 => format!("Delete {}", first.key.name),
                _ => format!("Delete {what}"),
            };
            let asked = confirm(&format!("Delete {what}"), text, "test-keys/delete".into(), &button, "test-keys");
            Confirm { keys: found.iter().map(|found| found.key.id).collect(), ..asked }
        }
        Dialog::Rename => {
            let text = owned(&["Keys and logs stay. Callers see the new name in the answers of this service."]);
            let asked = confirm("Rename the organization", text, "rename".into(), "Rename it", "rename");
            let hint = format!("It is {} now", organization.name);
            Confirm { kills: false, field: Some(Field { label: "The new name".to_owned(), hint }), ..asked }
        }
        Dialog::Suspend if is_suspended => return None,
        Dialog::Suspend => {
            let text = vec![
                "All keys of this organization are refused everywhere, production and test, until it is resumed."
                    .to_owned(),
                all.hurt_everywhere(),
                "Its keys, data and logs stay.".to_owned(),
            ];
            confirm("Suspend the organization", text, "suspend".into(), "Suspend it", "suspend")
        }
        Dialog::Resume if !is_suspended => return None,
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
            Confirm { field: typed_name(""), ..asked }
        }
        // Other pages ask these.
        Dialog::AddOperator | Dialog::Remove(_) | Dialog::RemoveOperator(_) => return None,
    })
}
