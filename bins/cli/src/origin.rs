//! Allowed callback origins.

use doorward::api::views::{AllowedOriginView, List, OriginCheckView};
use doorward::auth::Allowed;
use doorward::origin::{AllowList, AllowedOrigin, CustomSchemes};
use doorward::store::OriginEntry;

use crate::arguments::{Consent, Origin, Which};
use crate::confirm;
use crate::context::CliContext;
use crate::failure::CliError;

pub(crate) async fn run(context: &CliContext, command: Origin) -> Result<(), CliError> {
    match command {
        Origin::List { which } => list(context, &which).await,
        Origin::Add { which, origin, allow_custom_scheme, no_question: _ } => {
            let schemes = if allow_custom_scheme { CustomSchemes::Allowed } else { CustomSchemes::Refused };
            add(context, &which, &origin, schemes).await
        }
        Origin::Remove { which, origin, consent } => remove(context, &which, &origin, consent).await,
        Origin::Check { which, url } => check(context, &which, &url).await,
    }
}

async fn list(context: &CliContext, which: &Which) -> Result<(), CliError> {
    let organization = context.organization(which).await?;
    let entries = context.issuer.allowed_origins(context.operator(), &organization).await?;
    let rows = entries.iter().map(|entry| {
        let OriginEntry { id, origin, created_at, created_by, .. } = entry;
        vec![id.to_string(), origin.to_string(), created_at.to_string(), created_by.to_string()]
    });
    let rows: Vec<_> = rows.collect();
    let data = entries.iter().map(|entry| AllowedOriginView::new(entry, None)).collect();
    context.output.list(&List::whole(data), &["ID", "ORIGIN", "ADDED", "BY"], rows)
}

async fn add(context: &CliContext, which: &Which, origin: &str, schemes: CustomSchemes) -> Result<(), CliError> {
    let origin = AllowedOrigin::parse(origin, schemes).map_err(|error| CliError::usage(error.to_string()))?;
    let organization = context.organization(which).await?;
    let Allowed { entry, receipt, .. } = context.issuer.allow_origin(organization.id, origin, &context.request).await?;
    let sentence = match &receipt {
        Some(receipt) => format!("Callbacks of {} may go to {}. {receipt}", organization.name, entry.origin),
        None => format!("{} is on the list of {} already.", entry.origin, organization.name),
    };
    context.output.done(&AllowedOriginView::new(&entry, receipt), &sentence)
}

async fn remove(context: &CliContext, which: &Which, meant: &str, consent: Consent) -> Result<(), CliError> {
    let organization = context.organization(which).await?;
    let entries = context.issuer.allowed_origins(context.operator(), &organization).await?;
    let origin = AllowedOrigin::parse(meant, CustomSchemes::Allowed).ok();
    let is_meant = |entry: &&OriginEntry| entry.id.to_string() == meant || Some(&entry.origin) == origin.as_ref();
    let entry = entries.iter().find(is_meant).ok_or_else(|| {
        CliError::not_found(format!("{} has no such entry: `doorward origin list` shows them", organization.name))
    })?;
    let what = format!("Callbacks of {} to {} will be refused.", organization.name, entry.origin);
    confirm::by_name(consent, &what, &entry.origin.entry())?;
    let receipt = context.issuer.disallow_origin(organization.id, entry.id, &context.request).await?;
    context.output.done(&receipt, &format!("Removed {}. {receipt}", entry.origin))
}

async fn check(context: &CliContext, which: &Which, url: &str) -> Result<(), CliError> {
    let organization = context.organization(which).await?;
    let entries = context.issuer.allowed_origins(context.operator(), &organization).await?;
    let list: AllowList = entries.into_iter().map(|entry| entry.origin).collect();
    let checked = list.check(url);
    let view = OriginCheckView::new(&checked);
    match checked {
        Ok(origin) => context.output.done(&view, &format!("Yes: it is of {origin}, which is on the list.")),
        Err(refusal) => {
            context.output.done(&view, &format!("No: {refusal}."))?;
            Err(CliError::told("the URL may not receive a callback"))
        }
    }
}
