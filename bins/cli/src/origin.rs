//! Allowed callback origins.

use doorward::api::shapes::{AllowedOriginShape, List, OriginCheckShape};
use doorward::auth::Allowed;
use doorward::origin::{AllowList, AllowedOrigin, CustomSchemes};
use doorward::store::OriginEntry;

use crate::arguments::{Consent, Origin, Which};
use crate::confirm;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) async fn run(desk: &Desk, command: Origin, output: &Output) -> Result<(), Failure> {
    match command {
        Origin::List { which } => list(desk, &which, output).await,
        Origin::Add { which, origin, allow_custom_scheme, consent: _ } => {
            let schemes = if allow_custom_scheme { CustomSchemes::Allowed } else { CustomSchemes::Refused };
            add(desk, &which, &origin, schemes, output).await
        }
        Origin::Remove { which, origin, consent } => remove(desk, &which, &origin, consent, output).await,
        Origin::Check { which, url } => check(desk, &which, &url, output).await,
    }
}

async fn list(desk: &Desk, which: &Which, output: &Output) -> Result<(), Failure> {
    let organization = desk.organization(which).await?;
    let entries = desk.issuer.allowed_origins(desk.operator(), &organization).await?;
    let rows = entries.iter().map(|entry| {
        let OriginEntry { id, origin, created_at, created_by, .. } = entry;
        vec![id.to_string(), origin.to_string(), created_at.to_string(), created_by.to_string()]
    });
    let rows: Vec<_> = rows.collect();
    let data = entries.iter().map(|entry| AllowedOriginShape::new(entry, None)).collect();
    output.list(&List { data, next_cursor: None }, &["ID", "ORIGIN", "ADDED", "BY"], rows)
}

async fn add(desk: &Desk, which: &Which, origin: &str, schemes: CustomSchemes, output: &Output) -> Result<(), Failure> {
    let origin = AllowedOrigin::parse(origin, schemes).map_err(|error| Failure::usage(error.to_string()))?;
    let organization = desk.organization(which).await?;
    let Allowed { entry, receipt, .. } = desk.issuer.allow_origin(organization.id, origin, &desk.request).await?;
    let sentence = match &receipt {
        Some(receipt) => format!("Callbacks of {} may go to {}. {receipt}", organization.name, entry.origin),
        None => format!("{} is on the list of {} already.", entry.origin, organization.name),
    };
    output.done(&AllowedOriginShape::new(&entry, receipt), &sentence)
}

async fn remove(desk: &Desk, which: &Which, meant: &str, consent: Consent, output: &Output) -> Result<(), Failure> {
    let organization = desk.organization(which).await?;
    let entries = desk.issuer.allowed_origins(desk.operator(), &organization).await?;
    let origin = AllowedOrigin::parse(meant, CustomSchemes::Allowed).ok();
    let is_meant = |entry: &&OriginEntry| entry.id.to_string() == meant || Some(&entry.origin) == origin.as_ref();
    let entry = entries.iter().find(is_meant).ok_or_else(|| {
        Failure::not_found(format!("{} has no such entry: `doorward origin list` shows them", organization.name))
    })?;
    let what = format!("No callback of {} goes to {} any more.", organization.name, entry.origin);
    confirm::by_name(consent, &what, &entry.origin.entry())?;
    let receipt = desk.issuer.disallow_origin(organization.id, entry.id, &desk.request).await?;
    output.done(&receipt, &format!("Removed {}. {receipt}", entry.origin))
}

async fn check(desk: &Desk, which: &Which, url: &str, output: &Output) -> Result<(), Failure> {
    let organization = desk.organization(which).await?;
    let entries = desk.issuer.allowed_origins(desk.operator(), &organization).await?;
    let list: AllowList = entries.into_iter().map(|entry| entry.origin).collect();
    let checked = list.check(url);
    let shape = OriginCheckShape::new(&checked);
    match checked {
        Ok(origin) => output.done(&shape, &format!("Yes: it is of {origin}, which is on the list.")),
        Err(refusal) => {
            output.done(&shape, &format!("No: {refusal}."))?;
            Err(Failure::told("the URL may not receive a callback"))
        }
    }
}
