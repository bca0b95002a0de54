//! Findings after a restore, with the changes made, for people.

use std::fmt::Write;

use doorward::auth::restore::{
    Findings, Gone, GoneOperator, GoneOrganization, GoneOrigin, GoneSecret, Restored, RevivedKey, RevivedOperator,
    RevivedOrganization, RevivedOrigin, RevivedPasskey, RevokedSecret,
};
use doorward::types::Name;

use super::changes::Done;
use super::events::Told;
use crate::people::table;

/// The most reasons for doubt that are shown.
const MAX_LISTED: usize = 20;

/// Returns the findings for people.
pub(super) fn tables(told: &Told) -> String {
    let Told { findings, unreadable, named } = told;
    let Findings { read, missing, keys, operators, passkeys, origins, organizations, gone, uncertain, .. } = findings;
    let mut text = format!("Read {read} events, of which the store does not have {missing}.\n");
    let mut section = |title: &str, header: &[&str], rows: Vec<Vec<String>>| {
        if !rows.is_empty() {
            // Writing into a String does not fail.
            let _ = write!(text, "\n{title}\n{}", table(header, rows));
        }
    };
    let key = |revived: &RevivedKey| {
        let row = |dead: &RevokedSecret| {
            vec![
                revived.organization_name.to_string(),
                revived.key.id.to_string(),
                revived.key.name.to_string(),
                format!("{} ({})", dead.secret.locator, dead.secret.state),
                dead.died_at.to_string(),
                dead.killed_by.to_string(),
                revived.remedy.as_str().to_owned(),
            ]
        };
        revived.dead.iter().map(row).collect::<Vec<_>>()
    };
    let header = ["ORGANIZATION", "KEY", "NAME", "SECRET", "DIED", "BY", "REMEDY"];
    section("Secrets that died since the backup, and are in force:", &header, keys.iter().flat_map(key).collect());
    let operator = |revived: &RevivedOperator| {
        let RevivedOperator { operator, removed_at, removed_by, .. } = revived;
        vec![operator.id.to_string(), operator.name.to_string(), removed_at.to_string(), removed_by.to_string()]
    };
    let header = ["OPERATOR", "NAME", "REMOVED", "BY"];
    section("Operators who were removed since, and are there:", &header, operators.iter().map(operator).collect());
    let passkey = |revived: &RevivedPasskey| {
        let RevivedPasskey { passkey, operator, removed_at, removed_by, .. } = revived;
        vec![operator.name.to_string(), passkey.name.to_string(), removed_at.to_string(), removed_by.to_string()]
    };
    let header = ["OPERATOR", "PASSKEY", "REMOVED", "BY"];
    section("Passkeys that were removed since, and sign in:", &header, passkeys.iter().map(passkey).collect());
    let origin = |revived: &RevivedOrigin| {
        let RevivedOrigin { entry, organization_name, removed_at, removed_by, .. } = revived;
        vec![organization_name.to_string(), entry.origin.to_string(), removed_at.to_string(), removed_by.to_string()]
    };
    let header = ["ORGANIZATION", "ORIGIN", "REMOVED", "BY"];
    section("Allowed origins that were removed since, and are allowed:", &header, origins.iter().map(origin).collect());
    let organization = |revived: &RevivedOrganization| {
        let RevivedOrganization { organization, was_closed, changed_at, changed_by, .. } = revived;
        let remedy = if *was_closed { "close" } else { "suspend" };
        vec![organization.name.to_string(), changed_at.to_string(), changed_by.to_string(), remedy.to_owned()]
    };
    let title = "Organizations that were closed or suspended since, and whose keys work:";
    let header = ["ORGANIZATION", "CHANGED", "BY", "REMEDY"];
    section(title, &header, organizations.iter().map(organization).collect());
    let title = "Made since the backup, and gone. Holders are refused; make new ones:";
    section(title, &["WHAT", "ID", "NAME", "ORGANIZATION", "MADE"], gone_rows(gone));
    let doubts = named.iter().cloned().chain(uncertain.iter().map(ToString::to_string));
    let shown: Vec<String> = doubts.take(MAX_LISTED).map(|doubt| format!("- {doubt}\n")).collect();
    if !shown.is_empty() {
        let more = *unreadable + (uncertain.len() as u64) - (shown.len() as u64);
        let more = if more > 0 { format!("- and {more} more\n") } else { String::new() };
        let _ = write!(text, "\nMore may have died than is listed:\n{}{more}", shown.concat());
    }
    text
}

fn gone_rows(gone: &Gone) -> Vec<Vec<String>> {
    let text = |name: &Option<Name>| name.as_ref().map(ToString::to_string).unwrap_or_default();
    let organization = |gone: &GoneOrganization| {
        vec!["organization".into(), gone.id.to_string(), text(&gone.name), String::new(), gone.made_at.to_string()]
    };
    let secret = |gone: &GoneSecret| {
        let (what, organization) = (format!("{} secret {}", gone.environment, gone.locator), gone.organization);
        vec![what, gone.key.to_string(), text(&gone.key_name), organization.to_string(), gone.made_at.to_string()]
    };
    let operator = |gone: &GoneOperator| {
        vec!["operator".into(), gone.id.to_string(), text(&gone.name), String::new(), gone.made_at.to_string()]
    };
    let origin = |gone: &GoneOrigin| {
        let (origin, organization) = (gone.origin.to_string(), gone.organization.to_string());
        vec!["allowed origin".into(), String::new(), origin, organization, gone.made_at.to_string()]
    };
    let Gone { organizations, secrets, operators, origins, .. } = gone;
    let organizations = organizations.iter().map(organization).chain(secrets.iter().map(secret));
    organizations.chain(operators.iter().map(operator)).chain(origins.iter().map(origin)).collect()
}

/// Returns the changes that were made, for people.
pub(super) fn sentences(told: &Told, done: &Done) -> String {
    let Done { restored, keys, operators, passkeys, origins, organizations } = done;
    let Findings {
        keys: all_keys,
        operators: all_operators,
        passkeys: all_passkeys,
        origins: all_origins,
        organizations: all,
        ..
    } = &told.findings;
    let mut sentences = Vec::new();
    if let Some(Restored { incarnation, ended_sessions, .. }) = restored {
        sentences.push(format!(
            "The store's incarnation is {incarnation}. {ended_sessions} sessions and links of operators were ended."
        ));
    }
    if told.findings.has_revived() {
        sentences.push(format!(
            "Dead again, everywhere: the secrets of {} keys. Removed again: {} operators, {} passkeys, {} allowed origins. \
             Closed or suspended again: {} organizations.",
            of(keys.iter().flatten().count(), all_keys.len()),
            of(operators.iter().flatten().count(), all_operators.len()),
            of(passkeys.iter().flatten().count(), all_passkeys.len()),
            of(origins.iter().flatten().count(), all_origins.len()),
            of(organizations.iter().flatten().count(), all.len()),
        ));
    }
    let errors = [
        errors(all_keys, keys),
        errors(all_operators, operators),
        errors(all_passkeys, passkeys),
        errors(all_origins, origins),
        errors(all, organizations),
    ];
    sentences.extend(errors.into_iter().flatten());
    sentences.join("\n")
}

fn of(count: usize, all: usize) -> String {
    if count == all { count.to_string() } else { format!("{count} of {all}") }
}

fn errors<R: Titled, T>(revived: &[R], done: &[Result<T, String>]) -> Vec<String> {
    let failed = revived.iter().zip(done).filter_map(|(revived, done)| Some((revived, done.as_ref().err()?)));
    failed.map(|(revived, error)| format!("Not done: {}: {error}", revived.title())).collect()
}

/// The name that people recognize.
trait Titled {
    fn title(&self) -> String;
}

impl Titled for RevivedKey {
    fn title(&self) -> String {
        format!("the key {} of {}", self.key.id, self.organization_name)
    }
}

impl Titled for RevivedOperator {
    fn title(&self) -> String {
        format!("the operator {}", self.operator.name)
    }
}

impl Titled for RevivedPasskey {
    fn title(&self) -> String {
        format!("the passkey {} of {}", self.passkey.name, self.operator.name)
    }
}

impl Titled for RevivedOrigin {
    fn title(&self) -> String {
        format!("the origin {} of {}", self.entry.origin, self.organization_name)
    }
}

impl Titled for RevivedOrganization {
    fn title(&self) -> String {
        format!("the organization {}", self.organization.name)
    }
}
