use std::sync::Arc;

use doorward_audit::{Action, Detail, EventDraft, Reason, SecretSummary};
use doorward_key::{FreshKey, ShownOnce};
use doorward_store::{
    AccessKey, AccessKeyWithSecrets, Change, ChangeContext, Conflict, Events, KeyLabel, KeyRef, NodeRecord,
    OperationId, RequestHash, Secret, StoreError, Successor, WhichKey,
};
use doorward_types::{AccessKeyId, Environment, Locator, Name, OrganizationId, SecretState, altered, with_fields};

use crate::control::effect::of_this_store;
use crate::control::{Control, effect};
use crate::progress::Listener;
use crate::{ChangeProgress, ChangeRequest, Core, ManageError, OperatorPrincipal, Receipt, StagedKey, Verifier};

/// The maximum number of attempts at a change that conflicts with another change, if a retry is safe.
pub(crate) const MAX_TRIES: u32 = 5;

/// Makes every change to keys. Each change writes its audit event in the same transaction. A method returns when the
/// change is in effect on every node: a new secret works everywhere, and a revoked secret nowhere. The same holds for
/// an answer that a change was made before, or that there is nothing to change.
#[derive(Clone, Debug)]
pub struct Issuer {
    pub(crate) core: Core,
    pub(crate) control: Option<Arc<Control>>,
    /// The reason in the events of this issuer's changes.
    pub(crate) reason: Option<Reason>,
    /// The function that hears of each change while it is made.
    pub(crate) listener: Option<Listener>,
}

/// A new secret: the secret of a new test key, or the staged secret of the production key, which now works beside the
/// current secret.
#[derive(Debug)]
#[non_exhaustive]
pub struct Minted {
    /// The key.
    pub key: AccessKey,
    /// The secret.
    pub secret: Secret,
    /// The secret's value: the only copy.
    pub value: ShownOnce,
    /// The proof that the change is in effect.
    pub receipt: Receipt,
}

/// The production key after its old secret was revoked.
#[derive(Debug)]
#[non_exhaustive]
pub struct Regenerated {
    /// The key.
    pub key: AccessKey,
    /// The new current secret.
    pub secret: Secret,
    /// The secrets that are now revoked everywhere.
    pub retired: Vec<Secret>,
    /// The current secret's value.
    pub value: CurrentValue,
    /// The proof that the change is in effect.
    pub receipt: Receipt,
}

/// The value of the new current secret after a regeneration.
#[derive(Debug)]
pub enum CurrentValue {
    /// The only copy of a fresh secret's value.
    Fresh(ShownOnce),
    /// The staged secret was promoted. Its value was shown when it was staged.
    Promoted,
}

impl CurrentValue {
    const fn fresh(&self) -> Option<&ShownOnce> {
        match self {
            Self::Fresh(value) => Some(value),
            Self::Promoted => None,
        }
    }

    /// Returns the value, if the secret is fresh.
    #[must_use]
    pub fn into_fresh(self) -> Option<ShownOnce> {
        match self {
            Self::Fresh(value) => Some(value),
            Self::Promoted => None,
        }
    }
}

/// A change of the words of people about a key.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Labelling {
    /// The new name, or `None` to keep the name.
    pub name: Option<Name>,
    /// The new note, or `None` to keep the note. `Some(None)` removes it.
    pub note: Option<Option<Name>>,
}

with_fields! {
    Labelling:
    with_name name: Option<Name>,
    with_note note: Option<Option<Name>>,
}

/// A key after a change of its words.
#[derive(Debug)]
#[non_exhaustive]
pub struct Labelled {
    /// The key.
    pub key: AccessKeyWithSecrets,
    /// The proof that the change is in effect.
    pub receipt: Receipt,
}

/// The origin of a change's new secret.
#[derive(Clone, Copy)]
enum Offer<'a> {
    /// This process has made the secret, and has its value, if the change has a new secret.
    Own(Option<&'a ShownOnce>),
    /// Somebody else has made the secret, and keeps its value.
    MadeElsewhere,
}

/// An operator's report that a key has leaked.
struct Leak {
    note: Option<Name>,
}

impl Issuer {
    /// Returns an issuer for a process without a verifying node, such as the command line.
    #[must_use]
    pub fn new(core: &Core) -> Self {
        Self { core: core.clone(), control: None, reason: None, listener: None }
    }

    /// Returns an issuer for the process of a verifying node. The node learns of changes directly.
    #[must_use]
    pub fn beside(verifier: &Verifier) -> Self {
        Self {
            core: verifier.core().clone(),
            control: Some(Arc::clone(verifier.control())),
            reason: None,
            listener: None,
        }
    }

    /// Returns this issuer with a function that hears of each change while it is made. A program that a person may
    /// interrupt shows a new value by it, before the wait until the change is in effect.
    #[must_use]
    pub fn telling(self, listener: impl Fn(&ChangeProgress<'_>) + Send + Sync + 'static) -> Self {
        Self { listener: Some(Listener::new(listener)), ..self }
    }

    fn tell(&self, progress: &ChangeProgress<'_>) {
        if let Some(listener) = &self.listener {
            listener.hear(progress);
        }
    }

    /// Returns the nodes that verify keys on the store, by the ids of their sessions. A node that ended without a word stays
    /// until writers have waited for it twice.
    ///
    /// # Errors
    ///
    /// [`ManageError::Store`], and [`ManageError::NoSuchOrganization`] for a visitor.
    pub async fn nodes(&self, operator: &OperatorPrincipal) -> Result<Vec<NodeRecord>, ManageError> {
        operator.check_installation()?;
        Ok(of_this_store(self.control.as_ref(), self.core.store.nodes().await?)?)
    }

    /// Sets the reason in the events of this issuer.
    #[cfg(feature = "operators")]
    pub(crate) fn with_reason(self, reason: Reason) -> Self {
        Self { reason: Some(reason), ..self }
    }

    /// Adds a test key.
    ///
    /// # Errors
    ///
    /// [`ManageError`] if the change was not made.
    pub async fn create(
        &self,
        organization: OrganizationId,
        name: Name,
        request: &ChangeRequest,
    ) -> Result<Minted, ManageError> {
        let hash =
            self.first_request(organization, ["create", &organization.to_string(), name.as_str()], request).await?;
        let key = self.new_key(organization, Environment::Test, name, request)?;
        let (secret, value) = self.new_secret(key.environment, 1, SecretState::Current)?;
        let detail = Detail::default().with_name(key.name.clone()).with_after(vec![summary(&secret)]);
        let event = self.event(Action::AccessKeyCreated, &key, request, detail);
        let change = Change::Create { key: key.clone(), secret };
        let receipt = self.commit_new(change, event.into(), hash, request, Some(&value)).await;
        match receipt {
            Err(ManageError::Store(StoreError::NotFound)) => Err(ManageError::NoSuchOrganization),
            other => Ok(Minted { key, secret, value, receipt: other? }),
        }
    }

    /// Makes the next production key, which is rolled out while the current key still works.
    ///
    /// # Errors
    ///
    /// [`ManageError::AlreadyStaged`] if a next key is staged.
    pub async fn stage(&self, organization: OrganizationId, request: &ChangeRequest) -> Result<Minted, ManageError> {
        let hash = self.first_request(organization, ["stage", &organization.to_string()], request).await?;
        let mut tries = 0..MAX_TRIES;
        loop {
            let found = self.production_key(organization).await?;
            let (secret, value) =
                self.new_secret(Environment::Production, found.generations + 1, SecretState::Staged)?;
            let mut after = summaries(&found.secrets);
            after.push(summary(&secret));
            let event = self.event(Action::AccessKeyStaged, &found.key, request, between(&found, after));
            let change = Change::Stage { key: KeyRef::of(&found.key), secret };
            match self.commit_new(change, event.into(), hash, request, Some(&value)).await {
                Err(ManageError::ChangedMeanwhile) if tries.next().is_some() => {}
                receipt => return Ok(Minted { key: found.key, secret, value, receipt: receipt? }),
            }
        }
    }

    /// Withdraws the next production key.
    ///
    /// # Errors
    ///
    /// [`ManageError::NothingStaged`] if no next key is staged. [`ManageError::ChangedMeanwhile`] if the key's secrets
    /// are not the ones expected by the request.
    pub async fn unstage(&self, organization: OrganizationId, request: &ChangeRequest) -> Result<Receipt, ManageError> {
        let hash = self.first_request(organization, ["unstage", &organization.to_string()], request).await?;
        let found = self.expected_production_key(organization, request).await?;
        let Some(staged) = in_state(&found, SecretState::Staged) else {
            return Err(self.in_effect(&found.key.id.to_string(), ManageError::NothingStaged).await);
        };
        let after = summaries(found.secrets.iter().filter(|secret| secret.state == SecretState::Current));
        let event = self.event(Action::AccessKeyStageDiscarded, &found.key, request, between(&found, after));
        let change = Change::Unstage { key: KeyRef::of(&found.key), staged: staged.locator };
        self.commit(change, event.into(), hash, request).await
    }

    /// Revokes the current production secret. The staged secret replaces it, or a fresh secret whose value is in the
    /// answer.
    ///
    /// A call without an operator does not compile:
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
    /// # use doorward_auth::{Issuer, Operators, StagedKey};
    /// # async fn leaked(issuer: &Issuer, desk: &Operators, organization: doorward_types::OrganizationId, token: &[u8]) {
    /// let operator = desk.authenticate(token).await.unwrap();
    /// issuer.regenerate(organization, StagedKey::Discard, &operator.request()).await.unwrap();
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ManageError::ChangedMeanwhile`] if another change was faster, or the key's secrets are not the ones expected
    /// by the request. The change is not retried: a retry could revoke the secret that the other change has just
    /// promoted. [`ManageError::StagedQuarantined`] if the staged secret is refused after a report. [`ManageError::StillInUse`] if the request asks that the secrets to revoke were unused.
    pub async fn regenerate(
        &self,
        organization: OrganizationId,
        staged_key: StagedKey,
        request: &ChangeRequest,
    ) -> Result<Regenerated, ManageError> {
        let hash = self
            .first_request(organization, ["regenerate", &organization.to_string(), staged_key.as_str()], request)
            .await?;
        self.replace(organization, staged_key, None, hash, request).await
    }

    /// Replaces the production key because it has leaked: revokes the current and the staged secret, and makes a fresh one.
    /// The log also says that the key has leaked, with the operator's words.
    ///
    /// # Errors
    ///
    /// Fails like [`Issuer::regenerate`].
    pub async fn report_leaked(
        &self,
        organization: OrganizationId,
        note: Option<Name>,
        request: &ChangeRequest,
    ) -> Result<Regenerated, ManageError> {
        let words = note.as_ref().map_or("", Name::as_str);
        let hash = self.first_request(organization, ["leaked", &organization.to_string(), words], request).await?;
        self.replace(organization, StagedKey::Discard, Some(Leak { note }), hash, request).await
    }

    async fn replace(
        &self,
        organization: OrganizationId,
        staged_key: StagedKey,
        leak: Option<Leak>,
        hash: RequestHash,
        request: &ChangeRequest,
    ) -> Result<Regenerated, ManageError> {
        let found = self.expected_production_key(organization, request).await?;
        if let Some(time) = request.unused_for {
            self.impact(request.operator(), &found, staged_key).await?.check_unused_for(time)?;
        }
        let key = KeyRef::of(&found.key);
        let staged = in_state(&found, SecretState::Staged).filter(|_| staged_key == StagedKey::Promote);
        if staged.is_some_and(|staged| staged.quarantined_at.is_some()) {
            return Err(ManageError::StagedQuarantined);
        }
        let (secret, value, successor) = self.successor(&found, staged)?;
        let retired: Vec<Secret> = found.secrets.iter().copied().filter(|old| old.locator != secret.locator).collect();
        let after = vec![summary(&secret)];
        let event = self.event(Action::AccessKeyRegenerated, &found.key, request, between(&found, after));
        let events = match leak {
            None => event.into(),
            Some(Leak { note }) => {
                let detail = between(&found, vec![]).with_note(note);
                let reported = self.event(Action::AccessKeyReportedLeaked, &found.key, request, detail);
                Events::from(reported).and(event)
            }
        };
        let change = Change::Regenerate { key, retired: locators(&retired), successor };
        let receipt = self.commit_new(change, events, hash, request, value.fresh()).await?;
        Ok(Regenerated { key: found.key, secret, retired, value, receipt })
    }

    /// Returns the secret that takes the place of a key's current one: this staged secret, or else a fresh one.
    pub(crate) fn successor(
        &self,
        found: &AccessKeyWithSecrets,
        staged: Option<Secret>,
    ) -> Result<(Secret, CurrentValue, Successor), ManageError> {
        Ok(match staged {
            Some(staged) => {
                let promoted = altered!(staged, state: SecretState::Current);
                (promoted, CurrentValue::Promoted, Successor::Promote(staged.locator))
            }
            None => {
                let (environment, generation) = (found.key.environment, found.generations + 1);
                let (secret, value) = self.new_secret(environment, generation, SecretState::Current)?;
                (secret, CurrentValue::Fresh(value), Successor::Fresh(secret))
            }
        })
    }

    /// Changes the name or the note of a key. Its secrets stay.
    ///
    /// # Errors
    ///
    /// [`ManageError::NoSuchKey`] if there is no such key. [`ManageError::StateUnchanged`] if both are so already.
    pub async fn label(
        &self,
        organization: OrganizationId,
        id: AccessKeyId,
        labelling: Labelling,
        request: &ChangeRequest,
    ) -> Result<Labelled, ManageError> {
        let Labelling { name, note } = labelling;
        let subject = id.to_string();
        let (to, words) = (name.as_ref().map_or("", Name::as_str), format!("{note:?}"));
        let hash = self
            .first_request(organization, ["label", &organization.to_string(), &subject, to, &words], request)
            .await?;
        let mut tries = 0..MAX_TRIES;
        loop {
            let found = self.key_to_change(organization, id).await?;
            let seen = found.label();
            let label = KeyLabel {
                name: name.clone().unwrap_or_else(|| seen.name.clone()),
                note: note.clone().unwrap_or_else(|| seen.note.clone()),
            };
            let detail = Detail::default()
                .with_name(label.name.clone())
                .with_name_before(Some(&seen.name).filter(|before| **before != label.name).cloned())
                .with_note(label.note.clone());
            let event = self.event(Action::AccessKeyRenamed, &found.key, request, detail);
            let change = Change::Label { key: KeyRef::of(&found.key), seen, label: label.clone() };
            match self.commit(change, event.into(), hash, request).await {
                Err(ManageError::ChangedMeanwhile) if tries.next().is_some() => {}
                Err(ManageError::Store(StoreError::NotFound)) => {
                    return Err(self.in_effect(&subject, ManageError::NoSuchKey).await);
                }
                receipt => {
                    let key = altered!(found.key.clone(), name: label.name);
                    return Ok(Labelled { key: altered!(found, key: key, note: label.note), receipt: receipt? });
                }
            }
        }
    }

    /// Deletes a test key.
    ///
    /// # Errors
    ///
    /// [`ManageError::ProductionKeyRequired`] if it is a production key, because an organization always has one.
    pub async fn delete(
        &self,
        organization: OrganizationId,
        id: AccessKeyId,
        request: &ChangeRequest,
    ) -> Result<Receipt, ManageError> {
        let subject = id.to_string();
        let hash = self.first_request(organization, ["delete", &organization.to_string(), &subject], request).await?;
        let found = self.key_to_change(organization, id).await?;
        if found.key.environment == Environment::Production {
            return Err(ManageError::ProductionKeyRequired);
        }
        let event = self.event(Action::AccessKeyDeleted, &found.key, request, between(&found, vec![]));
        let change = Change::Delete { key: KeyRef::of(&found.key), retired: locators(&found.secrets) };
        match self.commit(change, event.into(), hash, request).await {
            Err(ManageError::Store(StoreError::NotFound)) => {
                Err(self.in_effect(&subject, ManageError::NoSuchKey).await)
            }
            receipt => receipt,
        }
    }

    /// Returns all keys of an organization: the production key, then test keys by age. A closed organization has none.
    ///
    /// # Errors
    ///
    /// [`ManageError::NoSuchOrganization`] if there is no such organization.
    pub async fn access_keys(
        &self,
        operator: &OperatorPrincipal,
        organization: OrganizationId,
    ) -> Result<Vec<AccessKeyWithSecrets>, ManageError> {
        operator.check(organization)?;
        let keys = self.core.store.access_keys(organization).await?;
        // Only a closed organization has no production key.
        if keys.is_empty() {
            self.existing(organization).await?;
        }
        Ok(keys)
    }

    /// Returns a key of an organization.
    ///
    /// # Errors
    ///
    /// [`ManageError::NoSuchKey`] if there is no such key.
    pub async fn access_key(
        &self,
        operator: &OperatorPrincipal,
        organization: OrganizationId,
        id: AccessKeyId,
    ) -> Result<AccessKeyWithSecrets, ManageError> {
        operator.check(organization)?;
        self.core.store.access_key(organization, WhichKey::Id(id)).await?.ok_or(ManageError::NoSuchKey)
    }

    /// Returns a key for a change. Without the key, the change that deleted it is in effect before this fails.
    pub(crate) async fn key_to_change(
        &self,
        organization: OrganizationId,
        id: AccessKeyId,
    ) -> Result<AccessKeyWithSecrets, ManageError> {
        let found = self.core.store.access_key(organization, WhichKey::Id(id)).await?;
        let Some(found) = found else {
            self.existing(organization).await?;
            return Err(self.in_effect(&id.to_string(), ManageError::NoSuchKey).await);
        };
        Ok(found)
    }

    pub(crate) async fn production_key(
        &self,
        organization: OrganizationId,
    ) -> Result<AccessKeyWithSecrets, ManageError> {
        let found = self.core.store.access_key(organization, WhichKey::Production).await?;
        let Some(found) = found else {
            self.existing(organization).await?;
            // Only a closed organization has no production key.
            return Err(self.in_effect(&organization.to_string(), ManageError::OrganizationClosed).await);
        };
        Ok(found)
    }

    /// Returns the production key, if it has the secrets that the request expects.
    async fn expected_production_key(
        &self,
        organization: OrganizationId,
        request: &ChangeRequest,
    ) -> Result<AccessKeyWithSecrets, ManageError> {
        let found = self.production_key(organization).await?;
        match &request.expected_secrets {
            Some(expected) if *expected != locators(&found.secrets) => {
                Err(self.in_effect(&found.key.id.to_string(), ManageError::ChangedMeanwhile).await)
            }
            _ => Ok(found),
        }
    }

    pub(crate) fn new_key(
        &self,
        organization: OrganizationId,
        environment: Environment,
        name: Name,
        request: &ChangeRequest,
    ) -> Result<AccessKey, ManageError> {
        Ok(AccessKey::new(
            organization,
            environment,
            AccessKeyId::new(self.core.id_seed()?),
            name,
            self.core.clock.now(),
            request.attribution.actor.clone(),
        ))
    }

    pub(crate) fn new_secret(
        &self,
        environment: Environment,
        generation: u32,
        state: SecretState,
    ) -> Result<(Secret, ShownOnce), ManageError> {
        let fresh = FreshKey::generate(&self.core.prefix, environment, &*self.core.random)?;
        let created_at = self.core.clock.now();
        let secret = Secret::new(state, fresh.locator(), fresh.digest(), generation, created_at);
        Ok((secret, fresh.into_value()))
    }

    pub(crate) fn event(&self, action: Action, key: &AccessKey, request: &ChangeRequest, detail: Detail) -> EventDraft {
        let detail = detail.with_reason(self.reason);
        self.core.event(action, key.id.to_string(), (key.organization, key.environment), &request.attribution, detail)
    }

    /// Returns the hash of a request with these parts. Refuses an operator for whom the organization does not exist, and a
    /// repeat with the same idempotency key, before any state is read: the first request has changed the state.
    pub(crate) async fn first_request<const PARTS: usize>(
        &self,
        organization: OrganizationId,
        parts: [&str; PARTS],
        request: &ChangeRequest,
    ) -> Result<RequestHash, ManageError> {
        request.operator().check(organization)?;
        let hash = RequestHash::of(parts);
        let Some(key) = &request.idempotency_key else { return Ok(hash) };
        let done = self.core.store.operation(&request.attribution.actor, key).await;
        match done.and_then(|done| of_this_store(self.control.as_ref(), done))? {
            Some(done) => Err(self.refused(done.repeated(&hash)).await),
            None => Ok(hash),
        }
    }

    /// Returns an answer about a record's state, once the newest change of the record is in effect everywhere.
    pub(crate) async fn in_effect(&self, subject: &str, answer: ManageError) -> ManageError {
        self.settle(subject).await.err().unwrap_or(answer)
    }

    /// Waits until the newest change of a record is in effect everywhere.
    pub(crate) async fn settle(&self, subject: &str) -> Result<(), ManageError> {
        let newest = self.core.store.last_change_of(subject).await;
        let settled = match newest.and_then(|newest| of_this_store(self.control.as_ref(), newest)) {
            Ok(Some(revision)) => effect::settle(&self.core, self.control.as_ref(), revision).await,
            other => other.map(drop),
        };
        Ok(settled?)
    }

    /// Carries out a change of the organization that its events name.
    pub(crate) async fn commit(
        &self,
        change: Change,
        events: Events,
        hash: RequestHash,
        request: &ChangeRequest,
    ) -> Result<Receipt, ManageError> {
        self.commit_new(change, events, hash, request, None).await
    }

    /// Carries out a change like [`Issuer::commit`]. Its new secret was made elsewhere.
    pub(crate) async fn commit_offered(
        &self,
        change: Change,
        events: Events,
        hash: RequestHash,
        request: &ChangeRequest,
    ) -> Result<Receipt, ManageError> {
        self.commit_as(change, events, hash, request, Offer::MadeElsewhere).await
    }

    /// Carries out a change like [`Issuer::commit`]. `value` is that of the change's new secret.
    pub(crate) async fn commit_new(
        &self,
        change: Change,
        events: Events,
        hash: RequestHash,
        request: &ChangeRequest,
        value: Option<&ShownOnce>,
    ) -> Result<Receipt, ManageError> {
        self.commit_as(change, events, hash, request, Offer::Own(value)).await
    }

    async fn commit_as(
        &self,
        change: Change,
        events: Events,
        hash: RequestHash,
        request: &ChangeRequest,
        offer: Offer<'_>,
    ) -> Result<Receipt, ManageError> {
        request.operator().check(events.first().organization)?;
        let mut operation = [0; 16];
        self.core.random.fill(&mut operation)?;
        let subject = events.first().subject.clone();
        let context = ChangeContext {
            idempotency_key: request.idempotency_key.clone(),
            is_offered: matches!(offer, Offer::MadeElsewhere),
            ..ChangeContext::new(OperationId::from_bytes(operation), events, hash, self.core.prefix.clone())
        };
        self.tell(&ChangeProgress::Committing);
        let value = match offer {
            Offer::Own(value) => value,
            Offer::MadeElsewhere => None,
        };
        let committed = || self.tell(&ChangeProgress::Committed { subject: &subject, value });
        match effect::commit(&self.core, self.control.as_ref(), change, context, committed).await {
            Ok(receipt) => Ok(receipt),
            Err(error @ StoreError::Conflict(_)) => {
                let refused = self.refused(error).await;
                Err(self.in_effect(&subject, refused).await)
            }
            Err(error) => Err(self.refused(error).await),
        }
    }

    /// Returns the meaning of the store's refusal. If the change was made before, first waits until that change is in
    /// effect.
    async fn refused(&self, error: StoreError) -> ManageError {
        match error {
            StoreError::AlreadyDone { subject, revision } => {
                let settled = effect::settle(&self.core, self.control.as_ref(), revision).await;
                settled.map_or_else(ManageError::Store, |()| ManageError::AlreadyDone { id: subject })
            }
            StoreError::IdempotencyKeyReused => ManageError::IdempotencyKeyReused,
            StoreError::Conflict(Conflict::AlreadyStaged) => ManageError::AlreadyStaged,
            StoreError::Conflict(Conflict::Closed) => ManageError::OrganizationClosed,
            StoreError::Conflict(Conflict::ExternalIdTaken) => ManageError::ExternalIdTaken,
            StoreError::Conflict(Conflict::ListFull) => ManageError::ListFull,
            StoreError::Conflict(Conflict::NameTaken) => ManageError::NameTaken,
            StoreError::Conflict(Conflict::NotEmpty) => ManageError::NotEmpty,
            StoreError::Conflict(Conflict::Unchanged) => ManageError::StateUnchanged,
            StoreError::Conflict(_) => ManageError::ChangedMeanwhile,
            other => ManageError::Store(other),
        }
    }
}

pub(crate) fn in_state(found: &AccessKeyWithSecrets, state: SecretState) -> Option<Secret> {
    found.secrets.iter().copied().find(|secret| secret.state == state)
}

pub(crate) fn locators(secrets: &[Secret]) -> Vec<Locator> {
    secrets.iter().map(|secret| secret.locator).collect()
}

pub(crate) const fn summary(secret: &Secret) -> SecretSummary {
    SecretSummary::new(secret.locator, secret.generation, secret.state)
}

pub(crate) fn summaries<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Vec<SecretSummary> {
    secrets.into_iter().map(summary).collect()
}

/// Returns the audit detail with a key's secrets before and after.
pub(crate) fn between(found: &AccessKeyWithSecrets, after: Vec<SecretSummary>) -> Detail {
    Detail::default().with_name(found.key.name.clone()).with_before(summaries(&found.secrets)).with_after(after)
}
