use std::sync::Arc;

use doorward_audit::{Action, Detail, EventDraft, Reason, SecretSummary};
use doorward_key::{FreshKey, ShownOnce};
use doorward_store::{
    AccessKey, AccessKeyWithSecrets, Change, ChangeContext, Conflict, Events, KeyRef, OperationId, Organization, Page,
    RequestHash, Secret, StoreError, Successor, WhichKey,
};
use doorward_types::{AccessKeyId, Environment, Locator, Name, OrganizationId, SecretState};

use crate::control::{Control, effect};
use crate::{ChangeRequest, Core, IssueError, OperatorPrincipal, Receipt, Verifier};

/// How often a change is tried again that met another one half-way, where trying again cannot surprise anyone.
const TRIES: u32 = 5;

/// Every change to keys. Each writes its audit event in the same transaction, and returns when it is in effect on every
/// node: a new secret works everywhere, a dead one nowhere. The same holds for an answer that says that a change was made
/// before, or that there is nothing left to change.
#[derive(Clone, Debug)]
pub struct Issuer {
    pub(crate) core: Core,
    control: Option<Arc<Control>>,
    /// The reason that the events of this issuer's changes give.
    reason: Option<Reason>,
}

/// A new organization with its production key.
#[derive(Debug)]
#[non_exhaustive]
pub struct Provisioned {
    /// The organization.
    pub organization: Organization,
    /// Its production key.
    pub key: AccessKey,
    /// The key's first secret.
    pub secret: Secret,
    /// The secret's value: the only copy.
    pub value: ShownOnce,
    /// When it took effect.
    pub receipt: Receipt,
}

/// A new test key.
#[derive(Debug)]
#[non_exhaustive]
pub struct Created {
    /// The key.
    pub key: AccessKey,
    /// Its secret.
    pub secret: Secret,
    /// The secret's value: the only copy.
    pub value: ShownOnce,
    /// When it took effect.
    pub receipt: Receipt,
}

/// The next production key, which works beside the current one from now on.
#[derive(Debug)]
#[non_exhaustive]
pub struct Staged {
    /// The key.
    pub key: AccessKey,
    /// The staged secret.
    pub secret: Secret,
    /// The secret's value: the only copy.
    pub value: ShownOnce,
    /// When it took effect.
    pub receipt: Receipt,
}

/// The production key after its old secret died.
#[derive(Debug)]
#[non_exhaustive]
pub struct Regenerated {
    /// The key.
    pub key: AccessKey,
    /// The secret that is current now.
    pub secret: Secret,
    /// The secrets that are dead, everywhere.
    pub retired: Vec<Secret>,
    /// The current secret's value.
    pub value: CurrentValue,
    /// When it took effect.
    pub receipt: Receipt,
}

/// The value of the secret that a regeneration made the current one.
#[derive(Debug)]
pub enum CurrentValue {
    /// The only copy of a fresh secret's value.
    Fresh(ShownOnce),
    /// The staged secret was promoted. Its value was shown when it was staged.
    Promoted,
}

impl CurrentValue {
    /// Returns the value, if the secret is fresh.
    #[must_use]
    pub fn into_fresh(self) -> Option<ShownOnce> {
        match self {
            Self::Fresh(value) => Some(value),
            Self::Promoted => None,
        }
    }
}

/// The lot of the staged secret in a regeneration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StagedKey {
    /// It dies with the current one, since it may have leaked with it. A fresh secret takes their place.
    Discard,
    /// It takes the current one's place. If there is none, a fresh secret does.
    Promote,
}

impl StagedKey {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Discard => "discard",
            Self::Promote => "promote",
        }
    }
}

impl Issuer {
    /// An issuer without a verifying node in its process, such as the command line's.
    #[must_use]
    pub fn new(core: &Core) -> Self {
        Self { core: core.clone(), control: None, reason: None }
    }

    /// An issuer in the process of a verifying node, which hears of changes directly.
    #[must_use]
    pub fn beside(verifier: &Verifier) -> Self {
        Self { core: verifier.core().clone(), control: Some(Arc::clone(verifier.control())), reason: None }
    }

    /// The same issuer, whose events give a reason.
    pub(crate) fn with_reason(self, reason: Reason) -> Self {
        Self { reason: Some(reason), ..self }
    }

    pub(crate) const fn reason(&self) -> Option<Reason> {
        self.reason
    }

    /// Adds an organization with its production key.
    ///
    /// # Errors
    ///
    /// [`IssueError`].
    pub async fn provision(&self, name: Name, request: &ChangeRequest) -> Result<Provisioned, IssueError> {
        self.provision_where(name, request, false).await
    }

    /// Adds the first organization; [`IssueError::NotEmpty`] where there is one, also if several programs try at once.
    ///
    /// # Errors
    ///
    /// [`IssueError`].
    pub async fn provision_first(&self, name: Name, request: &ChangeRequest) -> Result<Provisioned, IssueError> {
        self.provision_where(name, request, true).await
    }

    async fn provision_where(
        &self,
        name: Name,
        request: &ChangeRequest,
        only_if_empty: bool,
    ) -> Result<Provisioned, IssueError> {
        let hash = RequestHash::of(["provision", name.as_str()]);
        self.refuse_repeat(&hash, request).await?;
        let id = OrganizationId::new(self.core.id_seed()?);
        let organization = Organization { id, name, created_at: self.core.clock.now() };
        let key = self.new_key(id, Environment::Production, Environment::Production.into(), request)?;
        let (secret, value) = self.new_secret(key.environment, 1, SecretState::Current)?;
        let named = |name: &Name, after| Detail { name: Some(name.clone()), after, ..Detail::default() };
        let made = EventDraft {
            subject: id.to_string(),
            ..self.event(Action::OrganizationCreated, &key, request, named(&organization.name, vec![]))
        };
        let first_key = self.event(Action::AccessKeyCreated, &key, request, named(&key.name, vec![summary(&secret)]));
        let events = Events::from(made).and(first_key);
        let change = Change::Provision { organization: organization.clone(), key: key.clone(), secret, only_if_empty };
        let receipt = self.commit(change, events, hash, request).await?;
        Ok(Provisioned { organization, key, secret, value, receipt })
    }

    /// Adds a test key.
    ///
    /// # Errors
    ///
    /// [`IssueError`].
    pub async fn create(
        &self,
        organization: OrganizationId,
        name: Name,
        request: &ChangeRequest,
    ) -> Result<Created, IssueError> {
        let hash = RequestHash::of(["create", &organization.to_string(), name.as_str()]);
        self.refuse_repeat(&hash, request).await?;
        let key = self.new_key(organization, Environment::Test, name, request)?;
        let (secret, value) = self.new_secret(key.environment, 1, SecretState::Current)?;
        let detail = Detail { name: Some(key.name.clone()), after: vec![summary(&secret)], ..Detail::default() };
        let event = self.event(Action::AccessKeyCreated, &key, request, detail);
        let receipt = self.commit(Change::Create { key: key.clone(), secret }, event.into(), hash, request).await;
        match receipt {
            Err(IssueError::Store(StoreError::Missing)) => Err(IssueError::NoSuchOrganization),
            other => Ok(Created { key, secret, value, receipt: other? }),
        }
    }

    /// Makes the next production key, to be rolled out while the current one still works.
    ///
    /// # Errors
    ///
    /// [`IssueError::AlreadyStaged`] where there is one.
    pub async fn stage(&self, organization: OrganizationId, request: &ChangeRequest) -> Result<Staged, IssueError> {
        let hash = RequestHash::of(["stage", &organization.to_string()]);
        self.refuse_repeat(&hash, request).await?;
        let mut tries = 0..TRIES;
        loop {
            let found = self.production_key(organization).await?;
            let (secret, value) =
                self.new_secret(Environment::Production, found.generations + 1, SecretState::Staged)?;
            let mut after = summaries(&found.secrets);
            after.push(summary(&secret));
            let event = self.event(Action::AccessKeyStaged, &found.key, request, between(&found, after));
            let change = Change::Stage { key: KeyRef::of(&found.key), secret };
            match self.commit(change, event.into(), hash, request).await {
                Err(IssueError::ChangedMeanwhile) if tries.next().is_some() => {}
                receipt => return Ok(Staged { key: found.key, secret, value, receipt: receipt? }),
            }
        }
    }

    /// Withdraws the next production key.
    ///
    /// # Errors
    ///
    /// [`IssueError::NothingStaged`] if there is none, [`IssueError::ChangedMeanwhile`] if the key has other secrets than the
    /// request expects.
    pub async fn unstage(&self, organization: OrganizationId, request: &ChangeRequest) -> Result<Receipt, IssueError> {
        let hash = RequestHash::of(["unstage", &organization.to_string()]);
        self.refuse_repeat(&hash, request).await?;
        let found = self.expected_production_key(organization, request).await?;
        let Some(staged) = in_state(&found, SecretState::Staged) else {
            return Err(self.in_effect(&found.key.id.to_string(), IssueError::NothingStaged).await);
        };
        let after = summaries(found.secrets.iter().filter(|secret| secret.state == SecretState::Current));
        let event = self.event(Action::AccessKeyStageDiscarded, &found.key, request, between(&found, after));
        let change = Change::Unstage { key: KeyRef::of(&found.key), staged: staged.locator };
        self.commit(change, event.into(), hash, request).await
    }

    /// Kills the current production secret. The staged one takes its place, or a fresh one, whose value is in the answer.
    ///
    /// Without an operator it does not compile:
    ///
    /// ```compile_fail
    /// # use doorward_auth::{Issuer, StagedKey};
    /// # async fn leaked(issuer: &Issuer, organization: doorward_types::OrganizationId) {
    /// let by = doorward_audit::Attribution::local("mallory".parse().unwrap());
    /// issuer.regenerate(organization, StagedKey::Discard, &by).await.unwrap();
    /// # }
    /// ```
    ///
    /// ```
    /// # use doorward_auth::{Issuer, OperatorDesk, StagedKey};
    /// # async fn leaked(issuer: &Issuer, desk: &OperatorDesk, organization: doorward_types::OrganizationId, token: &[u8]) {
    /// let operator = desk.authenticate(token).await.unwrap();
    /// issuer.regenerate(organization, StagedKey::Discard, &operator.request()).await.unwrap();
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`IssueError::ChangedMeanwhile`] if someone else was quicker, or the key has other secrets than the request expects. It is
    /// not tried again: that could kill the very secret which the other one has just promoted.
    pub async fn regenerate(
        &self,
        organization: OrganizationId,
        staged_key: StagedKey,
        request: &ChangeRequest,
    ) -> Result<Regenerated, IssueError> {
        let hash = RequestHash::of(["regenerate", &organization.to_string(), staged_key.as_str()]);
        self.refuse_repeat(&hash, request).await?;
        let found = self.expected_production_key(organization, request).await?;
        let key = KeyRef::of(&found.key);
        let staged = in_state(&found, SecretState::Staged).filter(|_| staged_key == StagedKey::Promote);
        let (secret, value, successor) = match staged {
            Some(staged) => {
                let promoted = Secret { state: SecretState::Current, ..staged };
                (promoted, CurrentValue::Promoted, Successor::Promote(staged.locator))
            }
            None => {
                let (secret, value) = self.new_secret(key.environment, found.generations + 1, SecretState::Current)?;
                (secret, CurrentValue::Fresh(value), Successor::Fresh(secret))
            }
        };
        let retired: Vec<Secret> = found.secrets.iter().copied().filter(|old| old.locator != secret.locator).collect();
        let after = vec![summary(&secret)];
        let event = self.event(Action::AccessKeyRegenerated, &found.key, request, between(&found, after));
        let change = Change::Regenerate { key, retired: locators(&retired), successor };
        let receipt = self.commit(change, event.into(), hash, request).await?;
        Ok(Regenerated { key: found.key, secret, retired, value, receipt })
    }

    /// Deletes a test key.
    ///
    /// # Errors
    ///
    /// [`IssueError::ProductionKeyRequired`] for a production key, which an organization always has.
    pub async fn delete(
        &self,
        organization: OrganizationId,
        id: AccessKeyId,
        request: &ChangeRequest,
    ) -> Result<Receipt, IssueError> {
        let subject = id.to_string();
        let hash = RequestHash::of(["delete", &organization.to_string(), &subject]);
        self.refuse_repeat(&hash, request).await?;
        let found = self.core.store.access_key(organization, WhichKey::Id(id)).await.map_err(IssueError::Store)?;
        let Some(found) = found else {
            self.existing(organization).await?;
            return Err(self.in_effect(&subject, IssueError::NoSuchKey).await);
        };
        if found.key.environment == Environment::Production {
            return Err(IssueError::ProductionKeyRequired);
        }
        let event = self.event(Action::AccessKeyDeleted, &found.key, request, between(&found, vec![]));
        let change = Change::Delete { key: KeyRef::of(&found.key), retired: locators(&found.secrets) };
        match self.commit(change, event.into(), hash, request).await {
            Err(IssueError::Store(StoreError::Missing)) => Err(self.in_effect(&subject, IssueError::NoSuchKey).await),
            receipt => receipt,
        }
    }

    /// The organization with this id.
    ///
    /// # Errors
    ///
    /// [`IssueError::NoSuchOrganization`] if there is none.
    pub async fn organization(&self, _: &OperatorPrincipal, id: OrganizationId) -> Result<Organization, IssueError> {
        self.existing(id).await
    }

    pub(crate) async fn existing(&self, id: OrganizationId) -> Result<Organization, IssueError> {
        self.core.store.organization(id).await.map_err(IssueError::Store)?.ok_or(IssueError::NoSuchOrganization)
    }

    /// Organizations, newest first.
    ///
    /// # Errors
    ///
    /// [`IssueError::Store`].
    pub async fn organizations(
        &self,
        _: &OperatorPrincipal,
        page: Page<OrganizationId>,
    ) -> Result<Vec<Organization>, IssueError> {
        self.core.store.organizations(page).await.map_err(IssueError::Store)
    }

    /// Organizations with this name, newest first, `limit` of them at most. A name is not unique.
    ///
    /// # Errors
    ///
    /// [`IssueError::Store`].
    pub async fn organizations_named(
        &self,
        _: &OperatorPrincipal,
        name: &Name,
        limit: u32,
    ) -> Result<Vec<Organization>, IssueError> {
        self.core.store.organizations_named(name, limit).await.map_err(IssueError::Store)
    }

    /// All keys of an organization, the production key first, then test keys by age.
    ///
    /// # Errors
    ///
    /// [`IssueError::NoSuchOrganization`] if there is none.
    pub async fn access_keys(
        &self,
        _: &OperatorPrincipal,
        organization: OrganizationId,
    ) -> Result<Vec<AccessKeyWithSecrets>, IssueError> {
        let keys = self.core.store.access_keys(organization).await.map_err(IssueError::Store)?;
        // An organization always has a production key.
        if keys.is_empty() { Err(IssueError::NoSuchOrganization) } else { Ok(keys) }
    }

    pub(crate) const fn control(&self) -> Option<&Arc<Control>> {
        self.control.as_ref()
    }

    pub(crate) async fn production_key(
        &self,
        organization: OrganizationId,
    ) -> Result<AccessKeyWithSecrets, IssueError> {
        let found = self.core.store.access_key(organization, WhichKey::Production).await.map_err(IssueError::Store)?;
        // An organization always has one, from the transaction on that made it.
        found.ok_or(IssueError::NoSuchOrganization)
    }

    /// The production key, if it has the secrets that the request expects.
    async fn expected_production_key(
        &self,
        organization: OrganizationId,
        request: &ChangeRequest,
    ) -> Result<AccessKeyWithSecrets, IssueError> {
        let found = self.production_key(organization).await?;
        match &request.expected_secrets {
            Some(expected) if *expected != locators(&found.secrets) => {
                Err(self.in_effect(&found.key.id.to_string(), IssueError::ChangedMeanwhile).await)
            }
            _ => Ok(found),
        }
    }

    fn new_key(
        &self,
        organization: OrganizationId,
        environment: Environment,
        name: Name,
        request: &ChangeRequest,
    ) -> Result<AccessKey, IssueError> {
        Ok(AccessKey {
            id: AccessKeyId::new(self.core.id_seed()?),
            organization,
            environment,
            name,
            created_at: self.core.clock.now(),
            created_by: request.attribution.actor.clone(),
        })
    }

    fn new_secret(
        &self,
        environment: Environment,
        generation: u32,
        state: SecretState,
    ) -> Result<(Secret, ShownOnce), IssueError> {
        let fresh = FreshKey::generate(&self.core.prefix, environment, &*self.core.random)?;
        let created_at = self.core.clock.now();
        let secret = Secret { locator: fresh.locator(), digest: fresh.digest(), generation, state, created_at };
        Ok((secret, fresh.into_value()))
    }

    fn event(&self, action: Action, key: &AccessKey, request: &ChangeRequest, detail: Detail) -> EventDraft {
        let (now, log) = (self.core.clock.now(), (key.organization, key.environment));
        let detail = Detail { reason: self.reason, ..detail };
        EventDraft { detail, ..EventDraft::new(&request.attribution, now, action, key.id.to_string(), log) }
    }

    /// Refuses a repeat under the same idempotency key before anything is looked at, since the first request has changed
    /// what there is to see.
    pub(crate) async fn refuse_repeat(&self, hash: &RequestHash, request: &ChangeRequest) -> Result<(), IssueError> {
        let Some(key) = &request.idempotency_key else { return Ok(()) };
        let done = self.core.store.operation(&request.attribution.actor, key).await;
        match done.and_then(|done| effect::of_this_store(self.control.as_ref(), done)).map_err(IssueError::Store)? {
            Some(done) => Err(self.refused(done.repeated(hash)).await),
            None => Ok(()),
        }
    }

    /// Returns what there is to say of a record's state, once the newest change of the record is in effect everywhere.
    pub(crate) async fn in_effect(&self, subject: &str, answer: IssueError) -> IssueError {
        self.settle(subject).await.err().unwrap_or(answer)
    }

    /// Returns once the newest change of a record is in effect everywhere.
    pub(crate) async fn settle(&self, subject: &str) -> Result<(), IssueError> {
        let newest = self.core.store.last_change_of(subject).await;
        let settled = match newest.and_then(|newest| effect::of_this_store(self.control.as_ref(), newest)) {
            Ok(Some(revision)) => effect::settle(&self.core, self.control.as_ref(), revision).await,
            other => other.map(drop),
        };
        settled.map_err(IssueError::Store)
    }

    pub(crate) async fn commit(
        &self,
        change: Change,
        events: Events,
        hash: RequestHash,
        request: &ChangeRequest,
    ) -> Result<Receipt, IssueError> {
        let mut operation = [0; 16];
        self.core.random.fill(&mut operation)?;
        let subject = events.first().subject.clone();
        let context = ChangeContext {
            idempotency_key: request.idempotency_key.clone(),
            ..ChangeContext::new(OperationId::from_bytes(operation), events, hash, self.core.prefix.clone())
        };
        match effect::commit(&self.core, self.control.as_ref(), change, context).await {
            Ok(receipt) => Ok(receipt),
            Err(error @ StoreError::Conflict(_)) => {
                let refused = self.refused(error).await;
                Err(self.in_effect(&subject, refused).await)
            }
            Err(error) => Err(self.refused(error).await),
        }
    }

    /// The meaning of the store's refusal to the asker. A change that was made before is told once it is in effect.
    async fn refused(&self, error: StoreError) -> IssueError {
        match error {
            StoreError::AlreadyDone { subject, revision } => {
                let settled = effect::settle(&self.core, self.control.as_ref(), revision).await;
                settled.map_or_else(IssueError::Store, |()| IssueError::AlreadyDone { id: subject })
            }
            StoreError::IdempotencyKeyReused => IssueError::IdempotencyKeyReused,
            StoreError::Conflict(Conflict::AlreadyStaged) => IssueError::AlreadyStaged,
            StoreError::Conflict(Conflict::ListFull) => IssueError::ListFull,
            StoreError::Conflict(Conflict::NotEmpty) => IssueError::NotEmpty,
            StoreError::Conflict(_) => IssueError::ChangedMeanwhile,
            other => IssueError::Store(other),
        }
    }
}

fn in_state(found: &AccessKeyWithSecrets, state: SecretState) -> Option<Secret> {
    found.secrets.iter().copied().find(|secret| secret.state == state)
}

fn locators(secrets: &[Secret]) -> Vec<Locator> {
    secrets.iter().map(|secret| secret.locator).collect()
}

const fn summary(secret: &Secret) -> SecretSummary {
    SecretSummary { locator: secret.locator, generation: secret.generation, state: secret.state }
}

fn summaries<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Vec<SecretSummary> {
    secrets.into_iter().map(summary).collect()
}

/// What an event says of a key whose secrets were these, and now are others.
fn between(found: &AccessKeyWithSecrets, after: Vec<SecretSummary>) -> Detail {
    Detail { name: Some(found.key.name.clone()), before: summaries(&found.secrets), after, ..Detail::default() }
}
