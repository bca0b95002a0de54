//! Keys whose values were made elsewhere, such as in a vault: Doorward gets their digests, and never sees the values.

use doorward_audit::Action;
use doorward_key::OfferedKey;
use doorward_store::{AccessKey, ActiveSecret, Change, KeyRef, Secret, StoreError};
use doorward_types::{Environment, Name, OrganizationId, SecretState};

use crate::issuer::{MAX_TRIES, between, summaries, summary};
use crate::{ChangeRequest, FoundSecret, Issuer, ManageError, Receipt};

/// A key by its digest.
#[derive(Debug)]
#[non_exhaustive]
pub struct TakenKey {
    /// The key.
    pub key: AccessKey,
    /// The secret.
    pub secret: Secret,
    /// The proof that the secret works everywhere. `None` if the store had it already.
    pub receipt: Option<Receipt>,
}

impl Issuer {
    /// Adds a test key by its digest. A repeat changes nothing: the same offer always gives the same key.
    ///
    /// # Errors
    ///
    /// [`ManageError::ImportedElsewhere`] if the secret belongs to another key. [`ManageError::ImportRevoked`] if it was revoked:
    /// at any time if it was offered or imported before, and else in the last 30 days.
    pub async fn create_offered(
        &self,
        organization: OrganizationId,
        name: Name,
        offered: OfferedKey,
        request: &ChangeRequest,
    ) -> Result<TakenKey, ManageError> {
        let parts = ["create offered", &organization.to_string(), name.as_str(), &offered.to_string()];
        let hash = self.first_request(organization, parts, request).await?;
        if let Some(known) = self.taken_before(organization, Environment::Test, offered, request).await? {
            return Ok(known);
        }
        let key = self.new_key(organization, Environment::Test, name, request)?;
        let secret = self.offered_secret(offered, 1, SecretState::Current);
        let detail = doorward_audit::Detail::default().with_name(key.name.clone()).with_after(vec![summary(&secret)]);
        let event = self.event(Action::AccessKeyCreated, &key, request, detail);
        let change = Change::Create { key: key.clone(), secret };
        match self.commit_offered(change, event.into(), hash, request).await {
            Err(ManageError::Store(StoreError::NotFound)) => Err(ManageError::NoSuchOrganization),
            // Only the secret can be known to the store. Another request with the same offer may have been faster.
            Err(ManageError::ChangedMeanwhile) => {
                let known = self.taken_before(organization, Environment::Test, offered, request).await?;
                known.ok_or(ManageError::ImportRevoked)
            }
            receipt => Ok(TakenKey { key, secret, receipt: Some(receipt?) }),
        }
    }

    /// Stages the next production key by its digest. A repeat changes nothing.
    ///
    /// # Errors
    ///
    /// [`ManageError::AlreadyStaged`] if another next key is staged. Also fails like [`Issuer::create_offered`].
    pub async fn stage_offered(
        &self,
        organization: OrganizationId,
        offered: OfferedKey,
        request: &ChangeRequest,
    ) -> Result<TakenKey, ManageError> {
        let parts = ["stage offered", &organization.to_string(), &offered.to_string()];
        let hash = self.first_request(organization, parts, request).await?;
        let mut tries = 0..MAX_TRIES;
        loop {
            if let Some(known) = self.taken_before(organization, Environment::Production, offered, request).await? {
                return Ok(known);
            }
            let found = self.production_key(organization).await?;
            let secret = self.offered_secret(offered, found.generations + 1, SecretState::Staged);
            let after = summaries(&found.secrets).into_iter().chain([summary(&secret)]).collect();
            let event = self.event(Action::AccessKeyStaged, &found.key, request, between(&found, after));
            let change = Change::Stage { key: KeyRef::of(&found.key), secret };
            match self.commit_offered(change, event.into(), hash, request).await {
                Err(ManageError::ChangedMeanwhile) if self.production_key(organization).await? == found => {
                    // The key has not changed, so the store knows the secret.
                    return Err(ManageError::ImportRevoked);
                }
                Err(ManageError::ChangedMeanwhile) if tries.next().is_some() => {}
                receipt => return Ok(TakenKey { key: found.key, secret, receipt: Some(receipt?) }),
            }
        }
    }

    fn offered_secret(&self, offered: OfferedKey, generation: u32, state: SecretState) -> Secret {
        Secret::new(state, offered.locator(), offered.digest(), generation, self.core.clock.now())
    }

    /// Returns the key that the offer has made already, once it is in effect.
    async fn taken_before(
        &self,
        organization: OrganizationId,
        environment: Environment,
        offered: OfferedKey,
        request: &ChangeRequest,
    ) -> Result<Option<TakenKey>, ManageError> {
        request.operator().check(organization)?;
        let live = match self.secret_at(offered.locator()).await? {
            None => return Ok(None),
            Some(FoundSecret::Revoked(_)) => return Err(ManageError::ImportRevoked),
            Some(FoundSecret::InForce(live)) => live,
        };
        let ActiveSecret { secret, key, .. } = *live;
        let is_same = (key.organization, key.environment) == (organization, environment);
        if !is_same || secret.digest != offered.digest() {
            return Err(ManageError::ImportedElsewhere);
        }
        self.settle(&key.id.to_string()).await?;
        Ok(Some(TakenKey { key, secret, receipt: None }))
    }
}
