//! The commands.

use std::time::Duration;

use doorward::api::views::{
    CreatedView, LabelledView, List, LoginLinkView, OperatorView, RegeneratedView, StagedView, TakenView,
};
use doorward::auth::{CurrentValue, LINK_LIFETIME, Labelling, ManageError, Operators, StagedKey, TakenKey};
use doorward::store::{AccessKeyWithSecrets, OpenMode, WhichKey};
use doorward::types::{AccessKeyId, Environment, Locator, Name, OrganizationId};

use crate::arguments::{Arguments, AssertionKey, Command, Consent, Key, Operator, SealingKey, Which};
use crate::context::CliContext;
use crate::failure::CliError;
use crate::output::{self, Output};
use crate::{
    assertion_key, audit, completion, confirm, doctor, find, import, inspect, key_list, man, new_key, node, org,
    origin, rotate, scan, sealing_key, store,
};

/// Runs a command.
///
/// # Errors
///
/// Fails if the command was not carried out.
pub async fn run(arguments: Arguments, output: &Output) -> Result<(), CliError> {
    let Arguments { store, command, .. } = arguments;
    let existing = || CliContext::open_existing(&store, output);
    match command {
        Command::Completions { shell } => output::show(&completion::script(shell)?),
        Command::Doctor => doctor::run(&store, output).await,
        Command::Man { folder } => man::run(folder.as_deref()),
        Command::Org(command) => org::run(&store, command, output).await,
        // The first record of a store makes the store.
        Command::Operator(Operator::Create { name, by_provider, shown: _ }) => {
            let context = CliContext::open(&store, OpenMode::Create, None, output).await?;
            create_operator(&context, name, by_provider).await
        }
        Command::Import(import) => import::run(&store, import, output).await,
        Command::Operator(command) => operator(&existing().await?, command).await,
        Command::Key(Key::Inspect) => inspect::run(&store, output).await,
        Command::Key(Key::New { environment, prefix }) => new_key::run(environment, &prefix, output),
        Command::Key(command) => key(&existing().await?, command).await,
        Command::Node(command) => node::run(&existing().await?, &command).await,
        Command::Origin(command) => origin::run(&existing().await?, command).await,
        Command::Audit(command) => audit::run(&store, command, output).await,
        Command::AssertionKey(AssertionKey::Rotate { file }) => assertion_key::rotate(&file, output),
        Command::SealingKey(SealingKey::Rotate(rotation)) => sealing_key::rotate(&existing().await?, &rotation).await,
        Command::Scan(command) => scan::run(&store, &command, output).await,
        Command::Store(command) => store::run(&store, command, output).await,
    }
}

async fn key(context: &CliContext, command: Key) -> Result<(), CliError> {
    match command {
        Key::List(filter) => key_list::run(context, &filter).await,
        Key::Create { which, name, digest: Some(offered), .. } => {
            let organization = context.organization(&which).await?;
            let taken = context.issuer.create_offered(organization.id, name, offered, &context.request).await?;
            done_taken(context, &taken, &format!("The test key {} works.", taken.key.name))
        }
        Key::Create { which, name, digest: None, shown: _, no_question: _ } => {
            let organization = context.organization(&which).await?;
            let made = context.issuer.create(organization.id, name, &context.request).await?;
            let sentences = format!(
                "Made the test key {} ({}) of {}. {}",
                made.key.name, made.key.id, organization.name, made.receipt
            );
            context.output.shown_once(&CreatedView::from(&made), &sentences)
        }
        Key::Delete { which, key, consent } => delete_key(context, &which, &key, consent).await,
        Key::Stage { which, digest: Some(offered), .. } => {
            let organization = context.organization(&which).await?;
            let taken = context.issuer.stage_offered(organization.id, offered, &context.request).await?;
            done_taken(
                context,
                &taken,
                &format!("The next production key of {} works beside the current one.", organization.name),
            )
        }
        Key::Stage { which, digest: None, shown: _, no_question: _ } => {
            let organization = context.organization(&which).await?;
            let staged = context.issuer.stage(organization.id, &context.request).await?;
            let sentences = format!(
                "Staged the next production key of {}. {}\nBoth keys work now: roll this one out, and watch with \
                 `doorward key list --org {id}` until the old key is unused.\nThen run \
                 `doorward key regenerate --org {id}`.",
                organization.name,
                staged.receipt,
                id = organization.id
            );
            context.output.shown_once(&StagedView::from(&staged), &sentences)
        }
        Key::Unstage { which, consent } => {
            let organization = context.organization(&which).await?;
            let what = format!("The staged production key of {} dies: servers refuse its holders.", organization.name);
            confirm::by_name(consent, &what, organization.name.as_str())?;
            let receipt = context.issuer.unstage(organization.id, &context.request).await?;
            context.output.done(&receipt, &format!("The staged key is dead. {receipt}"))
        }
        Key::Rotate(rotation) => rotate::run(context, &rotation).await,
        Key::Rename { which, key, name, note } => rename_key(context, &which, &key, name, note).await,
        Key::Release { which, key, locator, no_question: _ } => release(context, &which, &key, locator).await,
        Key::Find { locator } => find::run(context, &locator).await,
        Key::Regenerate { which, discard_staged, leaked, note, if_unused_for, shown: _, consent } => {
            let cause = match (leaked, discard_staged) {
                (true, _) => Cause::Leak(note),
                (false, true) => Cause::Rotation(StagedKey::Discard),
                (false, false) => Cause::Rotation(StagedKey::Promote),
            };
            regenerate(context, &which, cause, if_unused_for, consent).await
        }
        // These also work without a store, and ran before a store was opened.
        Key::Inspect | Key::New { .. } => Ok(()),
    }
}

/// Reports a key that was taken by its digest.
fn done_taken(context: &CliContext, taken: &TakenKey, sentence: &str) -> Result<(), CliError> {
    let receipt = match &taken.receipt {
        Some(receipt) => receipt.to_string(),
        None => "The store had it already: nothing was changed.".to_owned(),
    };
    context.output.done(&TakenView::from(taken), &format!("{sentence} {receipt}"))
}

async fn delete_key(context: &CliContext, which: &Which, key: &str, consent: Consent) -> Result<(), CliError> {
    let organization = context.organization(which).await?;
    let found = find_key(context, organization.id, key).await?;
    let (id, name) = (found.key.id, &found.key.name);
    let usage = context.issuer.usage(context.operator(), std::slice::from_ref(&found)).await?;
    let used = match usage.iter().max_by_key(|usage| usage.last_used_at) {
        Some(usage) => {
            format!("was last used at {}, and {} times in the last hour", usage.last_used_at, usage.uses_last_hour)
        }
        None => "was never used".to_owned(),
    };
    confirm::yes_or_no(
        consent,
        &format!("The key {name} ({id}) of {} dies: servers refuse its holders. It {used}.", organization.name),
    )?;
    let receipt = context.issuer.delete(organization.id, id, &context.request).await?;
    context.output.done(&receipt, &format!("Deleted the test key {name} ({id}). {receipt}"))
}

/// Returns the key with this id, or the only test key with this name.
async fn find_key(
    context: &CliContext,
    organization: OrganizationId,
    text: &str,
) -> Result<AccessKeyWithSecrets, CliError> {
    if let Ok(id) = text.parse::<AccessKeyId>() {
        let found = context.store.access_key(organization, WhichKey::Id(id)).await?;
        return Ok(found.ok_or(ManageError::NoSuchKey)?);
    }
    let keys = context.issuer.access_keys(context.operator(), organization).await?;
    let is_named =
        |found: &AccessKeyWithSecrets| found.key.environment == Environment::Test && found.key.name.as_str() == text;
    let mut named = keys.into_iter().filter(is_named);
    match (named.next(), named.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(CliError::not_found("there is no such test key: `doorward key list` shows them".into())),
        (Some(_), Some(_)) => Err(CliError::usage("several test keys have this name: say which by its id".into())),
    }
}

/// Ends the report of a secret.
async fn release(context: &CliContext, which: &Which, key: &str, locator: Option<Locator>) -> Result<(), CliError> {
    let organization = context.organization(which).await?;
    let found = find_key(context, organization.id, key).await?;
    let reported = || found.secrets.iter().filter(|secret| secret.reported_at.is_some()).map(|secret| secret.locator);
    let secret = match (locator, reported().next(), reported().nth(1)) {
        (Some(locator), ..) | (None, Some(locator), None) => locator,
        (None, None, _) => return Err(CliError::conflict("no report of this key waits".to_owned())),
        (None, Some(one), Some(other)) => {
            return Err(CliError::usage(format!(
                "the secrets {one} and {other} were reported: name one with --locator"
            )));
        }
    };
    let receipt = context.issuer.release(organization.id, found.key.id, secret, &context.request).await?;
    context.output.done(&receipt, &format!("The report is ended: the key {} works. {receipt}", found.key.id))
}

/// Changes the words of people about a key.
async fn rename_key(
    context: &CliContext,
    which: &Which,
    key: &str,
    name: Option<Name>,
    note: Option<String>,
) -> Result<(), CliError> {
    let organization = context.organization(which).await?;
    let found = find_key(context, organization.id, key).await?;
    let parsed = |note: String| match note.as_str() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|error| CliError::usage(format!("the note is invalid: {error}"))),
    };
    let labelling = Labelling::default().with_name(name).with_note(note.map(parsed).transpose()?);
    let labelled = context.issuer.label(organization.id, found.key.id, labelling, &context.request).await?;
    let sentence = format!("The key {} is named {} now. {}", found.key.id, labelled.key.key.name, labelled.receipt);
    let usage = context.issuer.usage(context.operator(), std::slice::from_ref(&labelled.key)).await?;
    context.output.done(&LabelledView::new(labelled, &usage), &sentence)
}

/// The cause of a regeneration.
enum Cause {
    Rotation(StagedKey),
    Leak(Option<Name>),
}

impl Cause {
    /// Returns what happens to the staged key.
    const fn staged(&self) -> StagedKey {
        match self {
            Self::Rotation(staged) => *staged,
            Self::Leak(_) => StagedKey::Discard,
        }
    }
}

async fn regenerate(
    context: &CliContext,
    which: &Which,
    cause: Cause,
    unused_for: Option<Duration>,
    consent: Consent,
) -> Result<(), CliError> {
    let organization = context.organization(which).await?;
    let mut what = format!("The current production key of {} dies: servers refuse its holders.", organization.name);
    let impact = context.issuer.preview_regeneration(context.operator(), organization.id, cause.staged()).await?;
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
        what += "\nThe staged key is still unused: roll it out first.";
    }
    if consent.yes {
        context.output.remark(&what);
    }
    confirm::by_name(consent, &what, organization.name.as_str())?;
    context.output.remark("Waiting until no server can accept the old key…");
    let request = context.request.clone().with_unused_for(unused_for);
    let regenerated = match cause {
        Cause::Rotation(staged) => context.issuer.regenerate(organization.id, staged, &request).await?,
        Cause::Leak(note) => context.issuer.report_leaked(organization.id, note, &request).await?,
    };
    let retired: Vec<_> = regenerated.retired.iter().map(|secret| secret.locator.to_string()).collect();
    let dead = format!("Dead: {}. {}", retired.join(", "), regenerated.receipt);
    let document = RegeneratedView::from(&regenerated);
    match &regenerated.value {
        CurrentValue::Fresh(_) => context.output.shown_once(&document, &dead),
        CurrentValue::Promoted => context
            .output
            .done(&document, &format!("{dead}\nThe staged key {} is current now.", regenerated.secret.locator)),
    }
}

async fn create_operator(context: &CliContext, name: Name, by_provider: bool) -> Result<(), CliError> {
    let operators = Operators::new(&context.core, context.store.clone());
    let added = match by_provider {
        true => operators.add_by_provider(name, &context.request).await?,
        false => operators.add(name, &context.request).await?,
    };
    let sentences = format!(
        "Added the operator {} ({}). Its token for the management API, shown this one time:",
        added.operator.name, added.operator.id
    );
    context.output.remark(&sentences);
    let document = OperatorView::new(&added.operator, Some(&added.value));
    let id = added.operator.id.to_string();
    context.output.value_or(&document, &id, ("DOORWARD_OPERATOR_TOKEN", added.value.expose()))
}

async fn operator(context: &CliContext, command: Operator) -> Result<(), CliError> {
    let operators = Operators::new(&context.core, context.store.clone());
    match command {
        Operator::Create { name, by_provider, shown: _ } => create_operator(context, name, by_provider).await,
        Operator::List => {
            let all = operators.list(context.operator()).await?;
            let data: Vec<_> = all.iter().map(|operator| OperatorView::new(operator, None)).collect();
            let rows = all.iter().map(|operator| {
                vec![operator.id.to_string(), operator.name.to_string(), operator.created_at.to_string()]
            });
            context.output.list(&List::whole(data), &["ID", "NAME", "CREATED"], rows)
        }
        Operator::LoginLink { operator, public_url } => {
            let operator = resolve(context, &operators, &operator).await?;
            let token = operators.login_link(&operator, &context.request).await?;
            let minutes = LINK_LIFETIME.as_secs() / 60;
            let sentences = format!("Signs {} in, once, within {minutes} minutes:", operator.name);
            let view = LoginLinkView::new(&operator, &public_url, &token);
            context.output.remark(&sentences);
            context.output.value_or(&view, operator.id.to_string().as_str(), ("DOORWARD_LOGIN_LINK", &view.url))
        }
        Operator::SignOut { operator } => {
            let operator = resolve(context, &operators, &operator).await?;
            let ended = operators.sign_out_everywhere(&operator, &context.request).await?;
            let sentences = format!("Signed {} out: {ended} sessions and links have ended.", operator.name);
            context.output.done(&OperatorView::new(&operator, None), &sentences)
        }
        Operator::Delete { operator, consent } => {
            let meant = resolve(context, &operators, &operator).await?;
            confirm::by_name(consent, &format!("The token of {} dies.", meant.name), meant.name.as_str())?;
            operators.remove(&meant, &context.request).await?;
            context.output.done(&OperatorView::new(&meant, None), &format!("Removed the operator {}.", meant.name))
        }
    }
}

/// Returns the operator with this name or id.
async fn resolve(
    context: &CliContext,
    operators: &Operators,
    text: &str,
) -> Result<doorward::store::Operator, CliError> {
    let found = operators.find(context.operator(), text).await?;
    found.ok_or_else(|| CliError::not_found("there is no such operator: `doorward operator list` shows them".into()))
}

#[cfg(test)]
mod reads;
