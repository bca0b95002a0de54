//! What each command does.

use std::io::Read;

use clap::CommandFactory;
use doorward::StoreUrl;
use doorward::api::shapes::{
    AccessKeyShape, CreatedShape, List, LoginLinkShape, OperatorShape, OrganizationShape, ProvisionedShape,
    RegeneratedShape, StagedShape,
};
use doorward::auth::{CurrentValue, LINK_LIFETIME, OperatorDesk, StagedKey, rotation_due_at};
use doorward::key::{KeyPrefix, PresentedKey};
use doorward::store::{OpenMode, Organization, Page};
use doorward::types::{AccessKeyId, Environment, Name, SecretState};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::arguments::{Arguments, AssertionKey, Command, Consent, Format, Key, Operator, Org, SealingKey, Which};
use crate::desk::{Desk, MANY};
use crate::failure::Failure;
use crate::output::{self, Output};
use crate::{assertion_key, audit, confirm, origin, sealing_key, store};

/// Runs a command.
///
/// # Errors
///
/// Why it was not carried out.
pub async fn run(arguments: Arguments, output: &Output) -> Result<(), Failure> {
    match arguments.command {
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "doorward", &mut script);
            output::write(&String::from_utf8_lossy(&script))
        }
        Command::Man => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Arguments::command())
                .render(&mut page)
                .map_err(|error| Failure::failed(error.to_string()))?;
            output::write(&String::from_utf8_lossy(&page))
        }
        // What makes the first record of a store may make the store.
        Command::Org(Org::Create { name, prefix }) => {
            let desk = Desk::open_with(&arguments.store, OpenMode::Create, prefix).await?;
            create_organization(&desk, name, output).await
        }
        Command::Operator(Operator::Create { name, by_provider }) => {
            create_operator(&Desk::open(&arguments.store, OpenMode::Create).await?, name, by_provider, output).await
        }
        Command::Org(Org::List) => list_organizations(&Desk::open_existing(&arguments.store).await?, output).await,
        Command::Operator(command) => operator(&Desk::open_existing(&arguments.store).await?, command, output).await,
        Command::Key(Key::Inspect) => inspect(&arguments.store, arguments.output, output).await,
        Command::Key(command) => key(&Desk::open_existing(&arguments.store).await?, command, output).await,
        Command::Origin(command) => origin::run(&Desk::open_existing(&arguments.store).await?, command, output).await,
        Command::Audit(command) => audit::run(&arguments.store, command, output).await,
        Command::AssertionKey(AssertionKey::Rotate { file }) => assertion_key::rotate(&file, output),
        Command::SealingKey(SealingKey::Rotate(rotation)) => {
            sealing_key::rotate(&Desk::open_existing(&arguments.store).await?, &rotation, output).await
        }
        Command::Store(command) => store::run(&arguments.store, command, output).await,
    }
}

async fn create_organization(desk: &Desk, name: Name, output: &Output) -> Result<(), Failure> {
    let made = desk.issuer.provision(name, &desk.request).await?;
    let sentences = format!(
        "Made the organization {} ({}). Its production key, shown this one time:",
        made.organization.name, made.organization.id
    );
    output.shown_once(&ProvisionedShape::from(&made), &made.value, &sentences)
}

async fn list_organizations(desk: &Desk, output: &Output) -> Result<(), Failure> {
    let all = desk.issuer.organizations(desk.operator(), Page::first(MANY)).await?;
    let row = |found: &Organization| vec![found.id.to_string(), found.name.to_string(), found.created_at.to_string()];
    let rows: Vec<_> = all.iter().map(row).collect();
    let data = all.into_iter().map(OrganizationShape::from).collect();
    output.list(&List { data, next_cursor: None }, &["ID", "NAME", "CREATED"], rows)
}

async fn key(desk: &Desk, command: Key, output: &Output) -> Result<(), Failure> {
    match command {
        Key::List { which } => list_keys(desk, &which, output).await,
        Key::Create { which, name, consent: _ } => {
            let organization = desk.organization(&which).await?;
            let made = desk.issuer.create(organization.id, name, &desk.request).await?;
            let sentences = format!(
                "Made the test key {} ({}) of {}. {}\nIts value, shown this one time:",
                made.key.name, made.key.id, organization.name, made.receipt
            );
            output.shown_once(&CreatedShape::from(&made), &made.value, &sentences)
        }
        Key::Delete { which, key, consent } => delete_key(desk, &which, key, consent, output).await,
        Key::Stage { which, consent: _ } => {
            let organization = desk.organization(&which).await?;
            let staged = desk.issuer.stage(organization.id, &desk.request).await?;
            let sentences = format!(
                "Staged the next production key of {}. {}\nBoth keys work now: roll this one out, and watch with \
                 `doorward key list --org {id}` until no one uses the old one.\nThen run \
                 `doorward key regenerate --org {id}`.\nIts value, shown this one time:",
                organization.name,
                staged.receipt,
                id = organization.id
            );
            output.shown_once(&StagedShape::from(&staged), &staged.value, &sentences)
        }
        Key::Unstage { which, consent } => {
            let organization = desk.organization(&which).await?;
            let what = format!("The staged production key of {} dies; whoever has it is refused.", organization.name);
            confirm::by_name(consent, &what, organization.name.as_str())?;
            let receipt = desk.issuer.unstage(organization.id, &desk.request).await?;
            output.done(&receipt, &format!("The staged key is dead. {receipt}"))
        }
        Key::Regenerate { which, discard_staged, consent } => {
            let staged = if discard_staged { StagedKey::Discard } else { StagedKey::Promote };
            regenerate(desk, &which, staged, consent, output).await
        }
        // It can do without a store, and is taken care of before one is opened.
        Key::Inspect => Ok(()),
    }
}

async fn list_keys(desk: &Desk, which: &Which, output: &Output) -> Result<(), Failure> {
    let organization = desk.organization(which).await?;
    let keys = desk.issuer.access_keys(desk.operator(), organization.id).await?;
    let usage = desk.issuer.usage(desk.operator(), &keys).await?;
    let now = desk.core.clock().now();
    let mut rows = Vec::new();
    for found in &keys {
        let due = rotation_due_at(found.key.environment, &found.secrets);
        for secret in &found.secrets {
            let label = found.key.environment.key_label();
            let used = usage.iter().find(|usage| usage.locator == secret.locator);
            let due = due.filter(|_| secret.state == SecretState::Current);
            rows.push(vec![
                found.key.id.to_string(),
                found.key.environment.to_string(),
                found.key.name.to_string(),
                format!("{}_{label}_{}_…", desk.core.prefix(), secret.locator),
                secret.state.to_string(),
                secret.created_at.to_string(),
                used.map_or_else(|| "never".to_owned(), |used| used.last_used_at.to_string()),
                used.map_or(0, |used| used.uses_last_hour).to_string(),
                due.map(|due| format!("{due}{}", if due <= now { " (due)" } else { "" })).unwrap_or_default(),
            ]);
        }
    }
    let data: Vec<_> = keys.into_iter().map(|found| AccessKeyShape::new(found, &usage)).collect();
    let header =
        ["ID", "ENVIRONMENT", "NAME", "SECRET", "STATE", "CREATED", "LAST USED", "USES IN 1 H", "ROTATION DUE"];
    output.list(&List { data, next_cursor: None }, &header, rows)
}

async fn delete_key(
    desk: &Desk,
    which: &Which,
    key: AccessKeyId,
    consent: Consent,
    output: &Output,
) -> Result<(), Failure> {
    let organization = desk.organization(which).await?;
    confirm::yes_or_no(consent, &format!("The key {key} dies; whoever has it is refused."))?;
    let receipt = desk.issuer.delete(organization.id, key, &desk.request).await?;
    output.done(&receipt, &format!("Deleted the test key {key}. {receipt}"))
}

async fn regenerate(
    desk: &Desk,
    which: &Which,
    staged: StagedKey,
    consent: Consent,
    output: &Output,
) -> Result<(), Failure> {
    let organization = desk.organization(which).await?;
    let mut what =
        format!("The current production key of {} dies; whoever still has it is refused.", organization.name);
    let impact = desk.issuer.preview_regeneration(desk.operator(), organization.id, staged).await?;
    for used in impact.refused() {
        what += &format!(
            "\nIts secret {} was used {} time{} in the last hour, last at {}: regenerating now refuses those calls.",
            used.locator,
            used.uses_last_hour,
            if used.uses_last_hour == 1 { "" } else { "s" },
            used.last_used_at
        );
    }
    if impact.is_successor_unused() {
        what += "\nNobody uses the staged key yet: roll it out first.";
    }
    if consent.yes {
        output.remark(&what);
    }
    confirm::by_name(consent, &what, organization.name.as_str())?;
    output.remark("Waiting until no server can accept the old key any more…");
    let regenerated = desk.issuer.regenerate(organization.id, staged, &desk.request).await?;
    let retired: Vec<_> = regenerated.retired.iter().map(|secret| secret.locator.to_string()).collect();
    let dead = format!("Dead: {}. {}", retired.join(", "), regenerated.receipt);
    let document = RegeneratedShape::from(&regenerated);
    match &regenerated.value {
        CurrentValue::Fresh(value) => {
            output.shown_once(&document, value, &format!("{dead}\nThe new key, shown this one time:"))
        }
        CurrentValue::Promoted => {
            output.done(&document, &format!("{dead}\nThe staged key {} is current now.", regenerated.secret.locator))
        }
    }
}

#[derive(Serialize)]
struct Inspection {
    well_formed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<Environment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locator: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    known: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<AccessKeyId>,
}

async fn inspect(url: &StoreUrl, format: Format, output: &Output) -> Result<(), Failure> {
    let mut text = Zeroizing::new(Vec::new());
    // A little more than any key, so that a longer input is seen to be one.
    let read = std::io::stdin().lock().take(256).read_to_end(&mut text);
    read.map_err(|error| Failure::failed(format!("standard input cannot be read: {error}")))?;
    let text = text.strip_suffix(b"\n").unwrap_or(&text);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let mut found =
        Inspection { well_formed: false, fault: None, environment: None, locator: None, known: None, key: None };
    let desk = Desk::open_existing(url).await.ok();
    let prefix = desk.as_ref().map_or_else(KeyPrefix::default, |desk| desk.core.prefix().clone());
    match PresentedKey::parse(&prefix, text) {
        Err(fault) => found.fault = Some(fault.to_string()),
        Ok(presented) => {
            found.well_formed = true;
            found.environment = Some(presented.environment());
            found.locator = Some(presented.locator().to_string());
            if let Some(desk) = &desk {
                let owner = owner(desk, &presented).await?;
                found.known = Some(owner.is_some());
                found.key = owner;
            }
        }
    }
    if format == Format::Json {
        return output.done(&found, "");
    }
    let lines = match &found {
        Inspection { fault: Some(fault), .. } => format!("not well-formed: {fault}\n"),
        Inspection { environment, locator, known, key, .. } => {
            let known = match (known, key) {
                (Some(true), Some(key)) => format!("in force, of {key}"),
                (Some(_), _) => "not in force: unknown, deleted, or regenerated".to_owned(),
                (None, _) => format!("there is no store at {url} to ask"),
            };
            let environment = environment.map(|environment| environment.to_string()).unwrap_or_default();
            let locator = locator.as_deref().unwrap_or_default();
            format!("well-formed\nenvironment: {environment}\nlocator:     {locator}\nknown:       {known}\n")
        }
    };
    output::write(&lines)
}

/// The key that this very secret belongs to.
async fn owner(desk: &Desk, presented: &PresentedKey<'_>) -> Result<Option<AccessKeyId>, Failure> {
    let (_, live) = desk.core.store().live_secret(presented.locator()).await?.proved_of_any_store()?;
    let same =
        live.filter(|live| live.secret.digest == presented.digest() && live.key.environment == presented.environment());
    Ok(same.map(|live| live.key.id))
}

async fn create_operator(desk: &Desk, name: Name, by_provider: bool, output: &Output) -> Result<(), Failure> {
    let operators = OperatorDesk::new(&desk.core);
    let added = match by_provider {
        true => operators.add_by_provider(name, &desk.request).await?,
        false => operators.add(name, &desk.request).await?,
    };
    let sentences = format!(
        "Added the operator {} ({}). Its token for the management API, shown this one time:",
        added.operator.name, added.operator.id
    );
    output.shown_once(&OperatorShape::new(&added.operator, Some(&added.value)), &added.value, &sentences)
}

async fn operator(desk: &Desk, command: Operator, output: &Output) -> Result<(), Failure> {
    let operators = OperatorDesk::new(&desk.core);
    match command {
        Operator::Create { name, by_provider } => create_operator(desk, name, by_provider, output).await,
        Operator::List => {
            let all = operators.list(desk.operator()).await?;
            let data: Vec<_> = all.iter().map(|operator| OperatorShape::new(operator, None)).collect();
            let rows = all.iter().map(|operator| {
                vec![operator.id.to_string(), operator.name.to_string(), operator.created_at.to_string()]
            });
            output.list(&List { data, next_cursor: None }, &["ID", "NAME", "CREATED"], rows)
        }
        Operator::LoginLink { operator, public_url } => {
            let operator = meant(desk, &operators, &operator).await?;
            let token = operators.login_link(&operator, &desk.request).await?;
            let minutes = LINK_LIFETIME.as_secs() / 60;
            let sentences = format!("Signs {} in, once, within {minutes} minutes:", operator.name);
            let shape = LoginLinkShape::new(&operator, &public_url, &token);
            output.remark(&sentences);
            output.plain(&shape, &format!("{}\n", shape.url))
        }
        Operator::SignOut { operator } => {
            let operator = meant(desk, &operators, &operator).await?;
            let ended = operators.sign_out_everywhere(&operator, &desk.request).await?;
            let sentences =
                format!("Signed {} out: {ended} sessions and links are worth nothing any more.", operator.name);
            output.done(&OperatorShape::new(&operator, None), &sentences)
        }
        Operator::Delete { operator, consent } => {
            let meant = meant(desk, &operators, &operator).await?;
            confirm::by_name(consent, &format!("The token of {} dies.", meant.name), meant.name.as_str())?;
            operators.remove(&meant, &desk.request).await?;
            output.done(&OperatorShape::new(&meant, None), &format!("Removed the operator {}.", meant.name))
        }
    }
}

/// The operator with this name or id.
async fn meant(desk: &Desk, operators: &OperatorDesk, text: &str) -> Result<doorward::store::Operator, Failure> {
    let found = operators.find(desk.operator(), text).await?;
    found.ok_or_else(|| Failure::not_found("there is no such operator: `doorward operator list` shows them".into()))
}

#[cfg(test)]
mod reads;
