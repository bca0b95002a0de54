//! The check of an import against the store, before anything is changed.

use std::collections::BTreeMap;

use doorward::auth::ImportOwner;
use doorward::store::{AccessKeyWithSecrets, Organization};
use doorward::types::{Environment, OrganizationId};

use super::file::{Entry, Fault};
use crate::context::CliContext;
use crate::failure::CliError;
use crate::progress::Progress;

/// The maximum number of secrets of a production key: the current one and the staged one.
const PRODUCTION_SECRETS: usize = 2;

/// The keys of one organization: production keys first, because they make the organization.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) owner: ImportOwner,
    pub(super) entries: Vec<Entry>,
}

/// An import that the store allows, as far as it can be known before.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) groups: Vec<Group>,
    /// The number of keys that work already.
    pub(super) known: u64,
    pub(super) faults: Vec<Fault>,
}

impl Plan {
    pub(super) async fn of(
        context: &CliContext,
        entries: Vec<Entry>,
        progress: &mut Progress,
    ) -> Result<Self, CliError> {
        let (mut groups, total): (BTreeMap<String, Vec<Entry>>, _) = (BTreeMap::new(), entries.len());
        for entry in entries {
            groups.entry(entry.organization.clone()).or_default().push(entry);
        }
        let (mut plan, mut checked) = (Self::default(), 0);
        for (organization, mut entries) in groups {
            checked += entries.len();
            entries.sort_by_key(|entry| (entry.environment, entry.line));
            match find(context, &organization).await? {
                Ok(found) => plan.add(context, found, entries).await?,
                Err(reason) => {
                    plan.faults.extend(entries.iter().map(|entry| Fault::new(entry.line, reason)));
                }
            }
            progress.show(&format!("checked {checked} of {total} keys"), checked == total);
        }
        plan.faults.sort_by_key(|fault| fault.line);
        Ok(plan)
    }

    async fn add(&mut self, context: &CliContext, found: Found, entries: Vec<Entry>) -> Result<(), CliError> {
        let (owner, keys) = match found {
            Found::New(owner) => (owner, vec![]),
            Found::Existing(organization) => {
                let keys = context.issuer.access_keys(context.operator(), organization.id).await?;
                (ImportOwner::Existing(organization.id), keys)
            }
        };
        let mut production: usize = keys
            .iter()
            .filter(|found| found.key.environment == Environment::Production)
            .map(|it| it.secrets.len())
            .sum();
        let mut group = Group { owner, entries: vec![] };
        for entry in entries {
            if is_known(&keys, &entry) {
                self.known += 1;
                continue;
            }
            match self.fault(context, &entry, production).await? {
                Some(reason) => self.faults.push(Fault::new(entry.line, reason)),
                None => {
                    production += usize::from(entry.environment == Environment::Production);
                    group.entries.push(entry);
                }
            }
        }
        self.groups.extend((!group.entries.is_empty()).then_some(group));
        Ok(())
    }

    /// Returns the reason why the store would refuse a key.
    async fn fault(
        &self,
        context: &CliContext,
        entry: &Entry,
        production: usize,
    ) -> Result<Option<&'static str>, CliError> {
        if context.issuer.imported(context.operator(), entry.digest).await?.is_some() {
            return Ok(Some("this key was imported before, for another organization or environment"));
        }
        if entry.created_at.is_some_and(|created_at| created_at > context.core.clock().now()) {
            return Ok(Some("created_at is in the future"));
        }
        Ok(match entry.environment {
            Environment::Production if production >= PRODUCTION_SECRETS => Some(
                "the organization's production key has two secrets already, the current and the staged one: \
                 let its owner give up one of the keys, or import the key into another organization",
            ),
            Environment::Test if production == 0 => Some(
                "there is no such organization yet, and the file has no production key for it: make it with \
                 `doorward org create NAME`",
            ),
            _ => None,
        })
    }
}

/// True if the key works already, in the organization and environment of the line.
fn is_known(keys: &[AccessKeyWithSecrets], entry: &Entry) -> bool {
    let is_it = |found: &AccessKeyWithSecrets| {
        found.key.environment == entry.environment
            && found.secrets.iter().any(|secret| secret.digest == entry.digest.digest())
    };
    keys.iter().any(is_it)
}

enum Found {
    Existing(Organization),
    New(ImportOwner),
}

/// Finds the organization with this id or name. A name that no organization has is a new organization's.
async fn find(context: &CliContext, text: &str) -> Result<Result<Found, &'static str>, CliError> {
    if let Ok(id) = text.parse::<OrganizationId>() {
        let found = context.store.organization(id).await?;
        return Ok(found.map(Found::Existing).ok_or("there is no organization with this id"));
    }
    let Ok(name) = text.parse() else { return Ok(Err("the organization is no name")) };
    let mut named = context.issuer.organizations_named(context.operator(), &name, 2).await?;
    Ok(match (named.pop(), named.is_empty()) {
        (Some(only), true) => Ok(Found::Existing(only)),
        (None, _) => Ok(Found::New(ImportOwner::New(name))),
        (Some(_), false) => Err("several organizations have this name: give the id"),
    })
}
