use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use doorward_audit::{Checkpoint, FiledEvent};
use doorward_store::{AccessKeyWithSecrets, ActiveSecret, KeyRef, ManagementEngine, Secret, StoreError};
use doorward_types::{Environment, Incarnation, Name, OrganizationId, OrganizationState, SecretState};

use super::foreign::{ForeignLog, History, Removal, Standing, State, Word};
use super::{
    Findings, GoneOrigin, Remedy, RevivedKey, RevivedOperator, RevivedOrganization, RevivedOrigin, RevivedPasskey,
    RevokedSecret, Uncertainty,
};
use crate::{ManageError, OperatorPrincipal};

/// The number of secrets in one page.
const PAGE: u32 = 5_000;

/// A comparison of external events with the store. It takes one event after another, of any number of logs, in any
/// order.
#[derive(Debug)]
pub struct Comparison {
    store: Arc<dyn ManagementEngine>,
    operator: OperatorPrincipal,
    logs: HashMap<(OrganizationId, Environment), ForeignLog>,
    history: History,
    read: u64,
    missing: u64,
    incarnation: Incarnation,
}

impl Comparison {
    pub(super) fn new(store: Arc<dyn ManagementEngine>, operator: OperatorPrincipal) -> Self {
        let (logs, history, incarnation) = (HashMap::new(), History::default(), Incarnation::FIRST);
        Self { store, operator, logs, history, read: 0, missing: 0, incarnation }
    }

    /// Adds the next event.
    ///
    /// # Errors
    ///
    /// [`ManageError::Store`] if the store fails.
    pub async fn add(&mut self, filed: &FiledEvent) -> Result<(), ManageError> {
        let FiledEvent { event, hash_fits, .. } = filed;
        self.read += 1;
        self.incarnation = self.incarnation.max(event.incarnation);
        let name = (event.draft.organization, event.draft.environment);
        let store = &*self.store;
        let log = match self.logs.entry(name) {
            Entry::Occupied(log) => log.into_mut(),
            Entry::Vacant(place) => {
                #[expect(clippy::disallowed_methods, reason = "the operator gave events of this log")]
                let scope = self.operator.scope(name.0, name.1)?;
                place.insert(ForeignLog::new(store, scope).await?)
            }
        };
        let standing = log.take(store, event, *hash_fits).await?;
        if standing == Standing::Missing {
            self.missing += 1;
        }
        if standing != Standing::Known {
            self.history.note(event, standing);
        }
        Ok(())
    }

    /// Returns the findings of the comparison.
    ///
    /// # Errors
    ///
    /// [`ManageError::Store`] if the store fails.
    pub async fn finish(mut self) -> Result<Findings, ManageError> {
        self.operator.check_installation()?;
        let Self { read, missing, incarnation, .. } = self;
        let mut findings = Findings { read, missing, incarnation, ..Findings::default() };
        let revived = self.revived_secrets().await?;
        findings.keys = self.keys(revived).await?;
        self.operators(&mut findings).await?;
        self.passkeys(&mut findings).await?;
        self.origins(&mut findings).await?;
        self.organizations(&mut findings).await?;
        findings.gone.secrets = std::mem::take(&mut self.history.made_secrets).into_values().collect();
        findings.gone.secrets.sort_by_key(|gone| (gone.made_at, gone.locator));
        for gone in std::mem::take(&mut self.history.made_organizations).into_values() {
            if self.store.organization(gone.id).await?.is_none() {
                findings.gone.organizations.push(gone);
            }
        }
        findings.gone.organizations.sort_by_key(|gone| (gone.made_at, gone.id));
        findings.uncertain = self.uncertain().await?;
        Ok(findings)
    }

    /// Reads all active secrets of the store. Returns the secrets that the events revoked. Removes the other active
    /// secrets from the secrets made since the backup.
    async fn revived_secrets(&mut self) -> Result<Vec<ActiveSecret>, StoreError> {
        let mut revived = Vec::new();
        let mut page = self.store.active_secrets(None, PAGE).await?.proved_of_any_store()?.1;
        while let Some(last) = page.last().cloned() {
            for live in page {
                self.history.made_secrets.remove(&live.secret.locator);
                if self.history.revoked(live.secret.locator).is_some() {
                    revived.push(live);
                }
            }
            page = self.store.active_secrets(Some(&last), PAGE).await?.proved_of_any_store()?.1;
        }
        self.history.forget_the_dead();
        Ok(revived)
    }

    async fn keys(&self, revived: Vec<ActiveSecret>) -> Result<Vec<RevivedKey>, StoreError> {
        let mut names: BTreeMap<OrganizationId, Name> = BTreeMap::new();
        let mut keys = Vec::new();
        for ActiveSecret { secret, key, organization_name, .. } in revived {
            if key.environment == Environment::Production {
                names.insert(key.organization, organization_name);
                continue;
            }
            // A test key has one secret.
            let found = AccessKeyWithSecrets::new(key, secret.generation, vec![secret]);
            keys.extend(self.key(found, organization_name));
        }
        for (organization, organization_name) in names {
            let all = self.store.access_keys(organization).await?;
            let production = all.into_iter().find(|found| found.key.environment == Environment::Production);
            keys.extend(production.and_then(|found| self.key(found, organization_name)));
        }
        keys.sort_by_key(|revived| {
            let KeyRef { organization, environment, id } = KeyRef::of(&revived.key);
            (organization, environment, id)
        });
        Ok(keys)
    }

    /// Returns the key if one of its secrets was revoked.
    fn key(&self, found: AccessKeyWithSecrets, organization_name: Name) -> Option<RevivedKey> {
        let AccessKeyWithSecrets { key, secrets, .. } = found;
        let dead: Vec<RevokedSecret> = secrets
            .iter()
            .filter_map(|secret| {
                let removal = self.history.revoked(secret.locator)?;
                Some(RevokedSecret { secret: *secret, died_at: removal.at, killed_by: removal.by.clone() })
            })
            .collect();
        let current_died = dead.iter().any(|dead| dead.secret.state == SecretState::Current);
        let remedy = match (key.environment, current_died) {
            _ if dead.is_empty() => return None,
            (Environment::Test, _) => Remedy::Delete,
            (Environment::Production, false) => Remedy::Unstage,
            (Environment::Production, true) if secrets.iter().any(|secret| self.works(secret)) => Remedy::Promote,
            (Environment::Production, true) => Remedy::Regenerate,
        };
        let seen = secrets.iter().map(|secret| secret.locator).collect();
        Some(RevivedKey { key, organization_name, dead, seen, remedy })
    }

    /// Returns whether a secret was neither revoked nor put in quarantine.
    fn works(&self, secret: &Secret) -> bool {
        secret.quarantined_at.is_none() && self.history.revoked(secret.locator).is_none()
    }

    async fn operators(&mut self, findings: &mut Findings) -> Result<(), StoreError> {
        for operator in self.store.operators().await? {
            self.history.made_operators.remove(&operator.id);
            if let Some(removal) = self.history.removed_operators.get(&operator.id) {
                let (removed_at, removed_by) = (removal.at, removal.by.clone());
                findings.operators.push(RevivedOperator { operator, removed_at, removed_by });
            }
        }
        let (made, removed) = (std::mem::take(&mut self.history.made_operators), &self.history.removed_operators);
        let gone = made.into_values().filter(|gone| !removed.contains_key(&gone.id));
        findings.gone.operators = gone.collect();
        findings.gone.operators.sort_by_key(|gone| (gone.made_at, gone.id));
        Ok(())
    }

    async fn passkeys(&mut self, findings: &mut Findings) -> Result<(), StoreError> {
        let Some(passkeys) = self.store.passkeys() else { return Ok(()) };
        for (id, removal) in std::mem::take(&mut self.history.removed_passkeys) {
            let Some((passkey, operator)) = passkeys.passkey(&id).await? else { continue };
            // The removal of the operator removes it too.
            if !self.history.removed_operators.contains_key(&operator.id) {
                let (removed_at, removed_by) = (removal.at, removal.by);
                findings.passkeys.push(RevivedPasskey { passkey, operator, removed_at, removed_by });
            }
        }
        Ok(())
    }

    async fn origins(&mut self, findings: &mut Findings) -> Result<(), StoreError> {
        let mut words: BTreeMap<OrganizationId, BTreeMap<String, Word>> = BTreeMap::new();
        for ((organization, origin), (_, word)) in std::mem::take(&mut self.history.origins) {
            words.entry(organization).or_default().insert(origin, word);
        }
        for (organization, mut words) in words {
            let Some(found) = self.store.organization(organization).await? else { continue };
            for entry in self.store.allowed_origins(organization).await? {
                if let Some(Word::Removed(removal)) = words.remove(&entry.origin.to_string()) {
                    let organization_name = found.name.clone();
                    let (removed_at, removed_by) = (removal.at, removal.by);
                    findings.origins.push(RevivedOrigin { entry, organization_name, removed_at, removed_by });
                }
            }
            let gone = words.into_iter().filter_map(|(origin, word)| match word {
                Word::Allowed(made_at) => Some(GoneOrigin { organization, origin: origin.parse().ok()?, made_at }),
                Word::Removed(_) => None,
            });
            findings.gone.origins.extend(gone);
        }
        Ok(())
    }

    async fn organizations(&mut self, findings: &mut Findings) -> Result<(), StoreError> {
        for (id, (_, state)) in std::mem::take(&mut self.history.organizations) {
            let (was_closed, Removal { at, by }) = match state {
                State::Closed(removal) => (true, removal),
                State::Suspended(removal) => (false, removal),
                State::Resumed => continue,
            };
            let Some(organization) = self.store.organization(id).await? else { continue };
            let is_so =
                if was_closed { organization.is_closed() } else { organization.state != OrganizationState::Active };
            if !is_so {
                let (changed_at, changed_by) = (at, by);
                findings.organizations.push(RevivedOrganization { organization, was_closed, changed_at, changed_by });
            }
        }
        findings.organizations.sort_by_key(|revived| revived.organization.id);
        Ok(())
    }

    async fn uncertain(self) -> Result<Vec<Uncertainty>, StoreError> {
        let store = &*self.store;
        let told: BTreeSet<_> = self.logs.keys().copied().collect();
        let mut uncertain = Vec::new();
        for log in self.logs.into_values() {
            uncertain.extend(log.uncertain(store).await?);
        }
        let untold = store.logs().await?.into_iter().filter(|log| !told.contains(log));
        let origin = |(organization, environment)| Checkpoint::origin_of(organization, environment);
        uncertain.extend(untold.map(|log| Uncertainty::Untold { log: origin(log) }));
        uncertain.sort();
        Ok(uncertain)
    }
}
