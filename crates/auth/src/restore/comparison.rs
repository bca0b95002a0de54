use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use doorward_audit::{Checkpoint, FiledEvent};
use doorward_store::{AccessKeyWithSecrets, AuditLog, KeyRef, LiveSecret, StoreError};
use doorward_types::{Environment, Incarnation, Name, OrganizationId, SecretState};

use super::foreign::{ForeignLog, History, Standing, Word};
use super::{DeadSecret, Findings, GoneOrigin, Remedy, RevivedKey, RevivedOperator, RevivedOrigin, Uncertainty};
use crate::{Core, IssueError, OperatorPrincipal};

/// Secrets at a time.
const PAGE: u32 = 5_000;

/// A comparison of events from elsewhere with the store: an event after the other, of any number of logs, in any order.
#[derive(Debug)]
pub struct Comparison {
    core: Core,
    operator: OperatorPrincipal,
    logs: HashMap<(OrganizationId, Environment), ForeignLog>,
    history: History,
    read: u64,
    missing: u64,
    incarnation: Incarnation,
}

impl Comparison {
    pub(super) fn new(core: Core, operator: OperatorPrincipal) -> Self {
        let (logs, history, incarnation) = (HashMap::new(), History::default(), Incarnation::FIRST);
        Self { core, operator, logs, history, read: 0, missing: 0, incarnation }
    }

    /// Takes the next event.
    ///
    /// # Errors
    ///
    /// [`IssueError::Store`].
    pub async fn add(&mut self, filed: &FiledEvent) -> Result<(), IssueError> {
        let FiledEvent { event, hash_fits } = filed;
        self.read += 1;
        self.incarnation = self.incarnation.max(event.incarnation);
        let name = (event.draft.organization, event.draft.environment);
        let standing = async {
            let store: &dyn AuditLog = &*self.core.store;
            let log = match self.logs.entry(name) {
                Entry::Occupied(log) => log.into_mut(),
                Entry::Vacant(place) => {
                    #[expect(clippy::disallowed_methods, reason = "the operator gave events of this log")]
                    let scope = self.operator.scope(name.0, name.1);
                    place.insert(ForeignLog::new(store, scope).await?)
                }
            };
            log.take(store, event, *hash_fits).await
        };
        let standing = standing.await.map_err(IssueError::Store)?;
        if standing == Standing::Missing {
            self.missing += 1;
        }
        if standing != Standing::Known {
            self.history.note(event, standing);
        }
        Ok(())
    }

    /// Returns what the events and the store together tell.
    ///
    /// # Errors
    ///
    /// [`IssueError::Store`].
    pub async fn finish(mut self) -> Result<Findings, IssueError> {
        let find = async {
            let Self { read, missing, incarnation, .. } = self;
            let mut findings = Findings { read, missing, incarnation, ..Findings::default() };
            let revived = self.revived_secrets().await?;
            findings.keys = self.keys(revived).await?;
            self.operators(&mut findings).await?;
            self.origins(&mut findings).await?;
            findings.gone.secrets = std::mem::take(&mut self.history.made_secrets).into_values().collect();
            findings.gone.secrets.sort_by_key(|gone| (gone.made_at, gone.locator));
            for gone in std::mem::take(&mut self.history.made_organizations).into_values() {
                if self.core.store.organization(gone.id).await?.is_none() {
                    findings.gone.organizations.push(gone);
                }
            }
            findings.gone.organizations.sort_by_key(|gone| (gone.made_at, gone.id));
            findings.uncertain = self.uncertain().await?;
            Ok(findings)
        };
        find.await.map_err(IssueError::Store)
    }

    /// Looks through all secrets that are in force: returns those that died, and takes the others out of the secrets made.
    async fn revived_secrets(&mut self) -> Result<Vec<LiveSecret>, StoreError> {
        let mut revived = Vec::new();
        let mut page = self.core.store.live_secrets(None, PAGE).await?.proved_of_any_store()?.1;
        while let Some(last) = page.last().cloned() {
            for live in page {
                self.history.made_secrets.remove(&live.secret.locator);
                if self.history.dead.contains_key(&live.secret.locator) {
                    revived.push(live);
                }
            }
            page = self.core.store.live_secrets(Some(&last), PAGE).await?.proved_of_any_store()?.1;
        }
        let dead = &self.history.dead;
        self.history.made_secrets.retain(|locator, _| !dead.contains_key(locator));
        Ok(revived)
    }

    async fn keys(&self, revived: Vec<LiveSecret>) -> Result<Vec<RevivedKey>, StoreError> {
        let mut names: BTreeMap<OrganizationId, Name> = BTreeMap::new();
        let mut keys = Vec::new();
        for LiveSecret { secret, key, organization_name } in revived {
            if key.environment == Environment::Production {
                names.insert(key.organization, organization_name);
                continue;
            }
            // A test key has one secret.
            let found = AccessKeyWithSecrets { key, generations: secret.generation, secrets: vec![secret] };
            keys.extend(self.key(found, organization_name));
        }
        for (organization, organization_name) in names {
            let all = self.core.store.access_keys(organization).await?;
            let production = all.into_iter().find(|found| found.key.environment == Environment::Production);
            keys.extend(production.and_then(|found| self.key(found, organization_name)));
        }
        keys.sort_by_key(|revived| {
            let KeyRef { organization, environment, id } = KeyRef::of(&revived.key);
            (organization, environment, id)
        });
        Ok(keys)
    }

    /// Returns the key, if one of its secrets died.
    fn key(&self, found: AccessKeyWithSecrets, organization_name: Name) -> Option<RevivedKey> {
        let AccessKeyWithSecrets { key, secrets, .. } = found;
        let dead: Vec<DeadSecret> = secrets
            .iter()
            .filter_map(|secret| {
                let removal = self.history.dead.get(&secret.locator)?;
                Some(DeadSecret { secret: *secret, died_at: removal.at, killed_by: removal.by.clone() })
            })
            .collect();
        let current_died = dead.iter().any(|dead| dead.secret.state == SecretState::Current);
        let remedy = match (key.environment, current_died) {
            _ if dead.is_empty() => return None,
            (Environment::Test, _) => Remedy::Delete,
            (Environment::Production, false) => Remedy::Unstage,
            (Environment::Production, true) if dead.len() < secrets.len() => Remedy::Promote,
            (Environment::Production, true) => Remedy::Regenerate,
        };
        let seen = secrets.iter().map(|secret| secret.locator).collect();
        Some(RevivedKey { key, organization_name, dead, seen, remedy })
    }

    async fn operators(&mut self, findings: &mut Findings) -> Result<(), StoreError> {
        for operator in self.core.store.operators().await? {
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

    async fn origins(&mut self, findings: &mut Findings) -> Result<(), StoreError> {
        let mut words: BTreeMap<OrganizationId, BTreeMap<String, Word>> = BTreeMap::new();
        for ((organization, origin), (_, word)) in std::mem::take(&mut self.history.origins) {
            words.entry(organization).or_default().insert(origin, word);
        }
        for (organization, mut words) in words {
            let Some(found) = self.core.store.organization(organization).await? else { continue };
            for entry in self.core.store.allowed_origins(organization).await? {
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

    async fn uncertain(self) -> Result<Vec<Uncertainty>, StoreError> {
        let store: &dyn AuditLog = &*self.core.store;
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
