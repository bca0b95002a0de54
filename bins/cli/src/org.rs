//! The commands of organizations.

use std::time::Duration;

use doorward::api::views::{List, OrganizationView, ProvisionedView};
use doorward::auth::{ManageError, NewOrganization, ProvisionedOnce, Renaming, Updated};
use doorward::store::{OpenMode, Organization, Page};
use doorward::types::{ExternalId, Name};

use crate::arguments::{Consent, NewOrg, Org, Which};
use crate::confirm;
use crate::context::{CliContext, MAX_ORGANIZATIONS};
use crate::failure::CliError;
use crate::output::Output;

pub(crate) async fn run(url: &doorward::StoreUrl, command: Org, output: &Output) -> Result<(), CliError> {
    let existing = || CliContext::open_existing(url, output);
    match command {
        // The first record of a store makes the store.
        Org::Create(new) => {
            let context = CliContext::open(url, OpenMode::Create, new.prefix.clone(), output).await?;
            create(&context, new).await
        }
        Org::List { query, external_id } => list(&existing().await?, query.as_deref(), external_id).await,
        Org::Rename { which, name, new_external_id, allow_duplicate_name, no_question: _ } => {
            let renaming = Renaming::default().with_name(name).with_external_id(new_external_id);
            rename(&existing().await?, &which, renaming.with_duplicate_name(allow_duplicate_name)).await
        }
        Org::Suspend { which, reason, consent } => suspend(&existing().await?, &which, reason, consent).await,
        Org::Resume { which, no_question: _ } => resume(&existing().await?, &which).await,
        Org::Close { which, erase_after_days, consent } => {
            close(&existing().await?, &which, erase_after_days, consent).await
        }
    }
}

async fn create(context: &CliContext, new: NewOrg) -> Result<(), CliError> {
    let NewOrg { name, external_id, allow_duplicate_name, prefix: _, shown: _ } = new;
    let new = NewOrganization::named(name).with_duplicate_name(allow_duplicate_name);
    let made = match external_id {
        Some(id) => context.issuer.provision_once(id, new, &context.request).await?,
        None => ProvisionedOnce::New(Box::new(context.issuer.provision(new, &context.request).await?)),
    };
    match made {
        ProvisionedOnce::Existing(known) => {
            let sentence = format!(
                "The organization {} ({}) has this external id already: nothing was changed.",
                known.name, known.id
            );
            context.output.done(&OrganizationView::from(known), &sentence)
        }
        ProvisionedOnce::New(made) => {
            let sentences = format!(
                "Made the organization {} ({}), with its production key. {}",
                made.organization.name, made.organization.id, made.receipt
            );
            context.output.shown_once(&ProvisionedView::from(&*made), &sentences)
        }
    }
}

async fn list(context: &CliContext, query: Option<&str>, external_id: Option<ExternalId>) -> Result<(), CliError> {
    let (issuer, operator, page) = (&context.issuer, context.operator(), Page::first(MAX_ORGANIZATIONS));
    let all = match (external_id, query) {
        (Some(id), _) => match issuer.organization_by_external_id(operator, &id).await {
            Err(ManageError::NoSuchOrganization) => vec![],
            found => vec![found?],
        },
        (None, Some(text)) => issuer.organizations_containing(operator, text, page).await?,
        (None, None) => issuer.organizations(operator, page).await?,
    };
    let row = |found: &Organization| {
        let external_id = found.external_id.as_ref().map(ToString::to_string).unwrap_or_default();
        vec![
            found.id.to_string(),
            found.name.to_string(),
            found.state.to_string(),
            external_id,
            found.created_at.to_string(),
        ]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    let data = all.into_iter().map(OrganizationView::from).collect();
    let header = ["ID", "NAME", "STATE", "EXTERNAL ID", "CREATED"];
    context.output.list(&List::whole(data), &header, rows)
}

async fn rename(context: &CliContext, which: &Which, renaming: Renaming) -> Result<(), CliError> {
    let before = context.organization(which).await?;
    let updated = context.issuer.rename(before.id, renaming, &context.request).await?;
    let sentence = format!("{} is now {}. {}", before.name, updated.organization.name, updated.receipt);
    done(context, updated, &sentence)
}

async fn suspend(context: &CliContext, which: &Which, reason: Option<Name>, consent: Consent) -> Result<(), CliError> {
    let organization = context.organization(which).await?;
    let what = format!("Servers refuse all keys of {}, until `doorward org resume`.", organization.name);
    confirm::by_name(consent, &what, organization.name.as_str())?;
    let updated = context.issuer.suspend(organization.id, reason, &context.request).await?;
    let sentence = format!("Suspended {}. {}", organization.name, updated.receipt);
    done(context, updated, &sentence)
}

async fn resume(context: &CliContext, which: &Which) -> Result<(), CliError> {
    let organization = context.organization(which).await?;
    let updated = context.issuer.resume(organization.id, &context.request).await?;
    let sentence = format!("Resumed {}: its keys work again. {}", organization.name, updated.receipt);
    done(context, updated, &sentence)
}

async fn close(context: &CliContext, which: &Which, erase_after_days: u32, consent: Consent) -> Result<(), CliError> {
    let organization = context.organization(which).await?;
    let what = format!(
        "All keys of {} die, for good. Its users, credentials, connectors and links are erased after {erase_after_days} \
         days. Its audit logs stay.",
        organization.name
    );
    confirm::by_name(consent, &what, organization.name.as_str())?;
    let erase_after = Duration::from_secs(u64::from(erase_after_days) * 24 * 60 * 60);
    let updated = context.issuer.close(organization.id, erase_after, &context.request).await?;
    let sentence = format!("Closed {}: its keys are dead. {}", organization.name, updated.receipt);
    done(context, updated, &sentence)
}

fn done(context: &CliContext, updated: Updated, sentence: &str) -> Result<(), CliError> {
    context.output.done(&OrganizationView::from(updated), sentence)
}
