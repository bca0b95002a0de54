//! The allowed origins of an organization's callbacks. A change takes effect like a change to keys.

use doorward_audit::{Action, Detail, EventDraft};
use doorward_origin::AllowedOrigin;
use doorward_store::{Change, Organization, OriginEntry, StoreError};
use doorward_types::{AllowedOriginId, Environment, OrganizationId};

use crate::{ChangeRequest, Issuer, ManageError, OperatorPrincipal, Receipt};

/// An entry that is now on a list.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Allowed {
    /// The entry.
    pub entry: OriginEntry,
    /// The proof that the change is in effect, or `None` if the entry was there already.
    pub receipt: Option<Receipt>,
}

impl Issuer {
    /// Adds an origin to an organization's list.
    ///
    /// # Errors
    ///
    /// [`ManageError::NoSuchOrganization`] if there is no such organization.
    pub async fn allow_origin(
        &self,
        organization: OrganizationId,
        origin: AllowedOrigin,
        request: &ChangeRequest,
    ) -> Result<Allowed, ManageError> {
        let hash = self
            .first_request(organization, ["allow", &organization.to_string(), &origin.to_string()], request)
            .await?;
        let known = async || {
            let entries = self.entries(organization).await?;
            let Some(entry) = entries.into_iter().find(|entry| entry.origin == origin) else { return Ok(None) };
            self.settle(&entry.id.to_string()).await?;
            Ok::<_, ManageError>(Some(Allowed { entry, receipt: None }))
        };
        if let Some(allowed) = known().await? {
            return Ok(allowed);
        }
        let entry = OriginEntry::new(
            organization,
            AllowedOriginId::new(self.core.id_seed()?),
            origin.clone(),
            self.core.clock.now(),
            request.attribution.actor.clone(),
        );
        let event = self.origin_event(Action::AllowedOriginAdded, &entry, request);
        match self.commit(Change::AllowOrigin { entry: entry.clone() }, event.into(), hash, request).await {
            Err(ManageError::Store(StoreError::NotFound)) => Err(ManageError::NoSuchOrganization),
            // Another request added the same origin first.
            Err(ManageError::ChangedMeanwhile) => known().await?.ok_or(ManageError::ChangedMeanwhile),
            receipt => Ok(Allowed { entry, receipt: Some(receipt?) }),
        }
    }

    /// Removes an origin from an organization's list. After it has returned, no node allows a callback to go there.
    ///
    /// # Errors
    ///
    /// [`ManageError::NoSuchOrigin`] if the list does not have it.
    pub async fn disallow_origin(
        &self,
        organization: OrganizationId,
        id: AllowedOriginId,
        request: &ChangeRequest,
    ) -> Result<Receipt, ManageError> {
        let subject = id.to_string();
        let hash = self.first_request(organization, ["disallow", &organization.to_string(), &subject], request).await?;
        let entries = self.entries(organization).await?;
        let Some(entry) = entries.into_iter().find(|entry| entry.id == id) else {
            self.existing(organization).await?;
            return Err(self.in_effect(&subject, ManageError::NoSuchOrigin).await);
        };
        let event = self.origin_event(Action::AllowedOriginRemoved, &entry, request);
        match self.commit(Change::DisallowOrigin { organization, id }, event.into(), hash, request).await {
            Err(ManageError::Store(StoreError::NotFound)) => {
                Err(self.in_effect(&subject, ManageError::NoSuchOrigin).await)
            }
            receipt => receipt,
        }
    }

    /// Returns an organization's allowed origins, oldest first.
    ///
    /// # Errors
    ///
    /// [`ManageError::Store`] if the store fails.
    pub async fn allowed_origins(
        &self,
        operator: &OperatorPrincipal,
        organization: &Organization,
    ) -> Result<Vec<OriginEntry>, ManageError> {
        operator.check(organization.id)?;
        self.entries(organization.id).await
    }

    async fn entries(&self, organization: OrganizationId) -> Result<Vec<OriginEntry>, ManageError> {
        Ok(self.core.store.allowed_origins(organization).await?)
    }

    fn origin_event(&self, action: Action, entry: &OriginEntry, request: &ChangeRequest) -> EventDraft {
        let log = (entry.organization, Environment::Production);
        let detail = Detail::default().with_origin(entry.origin.to_string()).with_reason(self.reason);
        self.core.event(action, entry.id.to_string(), log, &request.attribution, detail)
    }
}
