//! Organizations: their provisioning, and the changes of their records. Each change takes effect like a change to keys.

use std::str::FromStr;
use std::time::Duration;

use doorward_audit::{Action, Detail, EventDraft};
use doorward_key::ShownOnce;
use doorward_store::{
    AccessKey, Change, Events, KeyOverview, Organization, OrganizationUpdate, Page, RequestHash, Secret, StoreError,
};
use doorward_types::{Environment, ExternalId, Name, NameError, OrganizationId, SecretState, altered};

use crate::issuer::{MAX_TRIES, summary};
use crate::{ChangeRequest, Issuer, ManageError, OperatorPrincipal, Receipt};

/// The usual time between the closing of an organization and the erasure of its data.
pub const ERASURE_DELAY: Duration = Duration::from_hours(30 * 24);

/// The record of an organization to provision. It can be parsed from the name alone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewOrganization {
    name: Name,
    allow_duplicate_name: bool,
}

impl NewOrganization {
    /// Returns the record of an organization whose name no other organization may have.
    #[must_use]
    pub const fn named(name: Name) -> Self {
        Self { name, allow_duplicate_name: false }
    }

    /// Sets if another organization may have the same name.
    #[must_use]
    pub fn with_duplicate_name(self, allowed: bool) -> Self {
        Self { allow_duplicate_name: allowed, ..self }
    }
}

impl TryFrom<&str> for NewOrganization {
    type Error = NameError;

    fn try_from(name: &str) -> Result<Self, NameError> {
        name.parse()
    }
}

impl FromStr for NewOrganization {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        name.parse().map(Self::named)
    }
}

/// A change of an organization's name, of its external id, or of both. It can be parsed from the name alone.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Renaming {
    name: Option<Name>,
    external_id: Option<ExternalId>,
    allow_duplicate_name: bool,
}

impl Renaming {
    /// Sets the new name.
    #[must_use]
    pub fn with_name(self, name: impl Into<Option<Name>>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Sets the new external id.
    #[must_use]
    pub fn with_external_id(self, id: impl Into<Option<ExternalId>>) -> Self {
        Self { external_id: id.into(), ..self }
    }

    /// Sets if another organization may have the same name.
    #[must_use]
    pub fn with_duplicate_name(self, allowed: bool) -> Self {
        Self { allow_duplicate_name: allowed, ..self }
    }
}

impl FromStr for Renaming {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        Ok(Self::default().with_name(name.parse::<Name>()?))
    }
}

/// A new organization with its production key.
#[derive(Debug)]
#[non_exhaustive]
pub struct Provisioned {
    /// The organization.
    pub organization: Organization,
    /// The organization's production key.
    pub key: AccessKey,
    /// The key's first secret.
    pub secret: Secret,
    /// The secret's value: the only copy.
    pub value: ShownOnce,
    /// The proof that the change is in effect.
    pub receipt: Receipt,
}

/// The organization with an external id.
#[derive(Debug)]
pub enum ProvisionedOnce {
    /// An earlier call provisioned it. The value of its key was in that call's answer.
    Existing(Organization),
    /// This call provisioned it.
    New(Box<Provisioned>),
}

impl ProvisionedOnce {
    /// Returns the organization.
    #[must_use]
    pub const fn organization(&self) -> &Organization {
        match self {
            Self::Existing(organization) => organization,
            Self::New(made) => &made.organization,
        }
    }
}

/// An organization after a change of its record.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Updated {
    /// The organization.
    pub organization: Organization,
    /// The proof that the change is in effect.
    pub receipt: Receipt,
}

impl Issuer {
    /// Adds an organization with its production key.
    ///
    /// # Errors
    ///
    /// [`ManageError::NameTaken`] if another organization has the name and is not closed, unless
    /// [`NewOrganization::with_duplicate_name`] allows it.
    pub async fn provision(&self, new: NewOrganization, request: &ChangeRequest) -> Result<Provisioned, ManageError> {
        let hash = self.first_provision(&new, None, request).await?;
        self.provision_as(new, None, false, hash, request).await
    }

    /// Adds the first organization. Fails with [`ManageError::NotEmpty`] if the store has an organization, even if
    /// several programs try at once.
    ///
    /// # Errors
    ///
    /// [`ManageError`] if the change was not made.
    pub async fn provision_first(
        &self,
        new: NewOrganization,
        request: &ChangeRequest,
    ) -> Result<Provisioned, ManageError> {
        let hash = self.first_provision(&new, None, request).await?;
        self.provision_as(new, None, true, hash, request).await
    }

    /// Adds the organization with this external id, or returns it if it exists. So a service may repeat its sign-up at
    /// any time: the same id always gives the same organization, even after it was renamed or closed.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use doorward_auth::{Core, Issuer, OperatorPrincipal, ProvisionedOnce};
    /// # let issuer = Issuer::new(&Core::new(std::sync::Arc::new(doorward_store_memory::MemoryStore::new())));
    /// # let request = OperatorPrincipal::local_administrator("billing".parse()?).request();
    /// let first = issuer.provision_once("tenant-7".parse()?, "Acme".parse()?, &request).await?;
    /// let again = issuer.provision_once("tenant-7".parse()?, "Acme".parse()?, &request).await?;
    /// assert!(matches!(&again, ProvisionedOnce::Existing(acme) if acme.id == first.organization().id));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ManageError::NameTaken`] like [`Issuer::provision`]. [`ManageError::IdempotencyKeyReused`] if the request's
    /// idempotency key was used for another request.
    pub async fn provision_once(
        &self,
        external_id: ExternalId,
        new: NewOrganization,
        request: &ChangeRequest,
    ) -> Result<ProvisionedOnce, ManageError> {
        let hash = self.first_provision(&new, Some(&external_id), request).await;
        if let Ok(_) | Err(ManageError::AlreadyDone { .. }) = &hash
            && let Some(known) = self.provisioned_as(&external_id).await?
        {
            return Ok(ProvisionedOnce::Existing(known));
        }
        match self.provision_as(new, Some(external_id.clone()), false, hash?, request).await {
            // Another request was faster.
            Err(error @ (ManageError::ExternalIdTaken | ManageError::AlreadyDone { .. })) => {
                self.provisioned_as(&external_id).await?.map(ProvisionedOnce::Existing).ok_or(error)
            }
            made => Ok(ProvisionedOnce::New(Box::new(made?))),
        }
    }

    /// Returns the organization with this external id, once its newest change is in effect.
    async fn provisioned_as(&self, id: &ExternalId) -> Result<Option<Organization>, ManageError> {
        let Some(known) = self.core.store.organization_by_external_id(id).await? else { return Ok(None) };
        self.settle(&known.id.to_string()).await?;
        Ok(Some(known))
    }

    async fn first_provision(
        &self,
        new: &NewOrganization,
        external_id: Option<&ExternalId>,
        request: &ChangeRequest,
    ) -> Result<RequestHash, ManageError> {
        let duplicate = if new.allow_duplicate_name { "duplicate" } else { "" };
        let external_id = external_id.map_or("", ExternalId::as_str);
        self.first_request(
            OrganizationId::INSTALLATION,
            ["provision", new.name.as_str(), external_id, duplicate],
            request,
        )
        .await
    }

    async fn provision_as(
        &self,
        NewOrganization { name, allow_duplicate_name }: NewOrganization,
        external_id: Option<ExternalId>,
        only_if_empty: bool,
        hash: RequestHash,
        request: &ChangeRequest,
    ) -> Result<Provisioned, ManageError> {
        let id = OrganizationId::new(self.core.id_seed()?);
        let organization = altered!(Organization::new(id, name, self.core.clock.now()), external_id: external_id);
        let key = self.new_key(id, Environment::Production, Environment::Production.into(), request)?;
        let (secret, value) = self.new_secret(key.environment, 1, SecretState::Current)?;
        let detail = Detail::default().with_external_id(organization.external_id.clone());
        let made = self.organization_event(Action::OrganizationCreated, &organization, request, detail);
        let detail = Detail::default().with_name(key.name.clone()).with_after(vec![summary(&secret)]);
        let first_key = self.event(Action::AccessKeyCreated, &key, request, detail);
        let change = Change::Provision {
            organization: organization.clone(),
            key: key.clone(),
            secret,
            only_if_empty,
            allow_duplicate_name,
        };
        let receipt = self.commit_new(change, Events::from(made).and(first_key), hash, request, Some(&value)).await?;
        Ok(Provisioned { organization, key, secret, value, receipt })
    }

    /// Changes the name or the external id of an organization. The keys stay.
    ///
    /// # Errors
    ///
    /// [`ManageError::NameTaken`] or [`ManageError::ExternalIdTaken`] if another organization has it.
    /// [`ManageError::OrganizationClosed`] if the organization is closed.
    pub async fn rename(
        &self,
        organization: OrganizationId,
        renaming: Renaming,
        request: &ChangeRequest,
    ) -> Result<Updated, ManageError> {
        let Renaming { name, external_id, allow_duplicate_name } = renaming;
        let (to, as_id) = (name.as_ref().map_or("", Name::as_str), external_id.as_ref().map_or("", ExternalId::as_str));
        let hash = self
            .first_request(OrganizationId::INSTALLATION, ["rename", &organization.to_string(), to, as_id], request)
            .await?;
        let update = OrganizationUpdate::Rename { name, external_id: external_id.clone(), allow_duplicate_name };
        let detail = |seen: &Organization| {
            Detail::default().with_name_before(seen.name.clone()).with_external_id(external_id.clone())
        };
        self.update(organization, update, Action::OrganizationRenamed, detail, hash, request).await
    }

    /// Suspends an organization. After it has returned, every node refuses all its keys. Its data stays.
    ///
    /// # Errors
    ///
    /// [`ManageError::StateUnchanged`] if it is suspended already. [`ManageError::OrganizationClosed`] if it is closed.
    pub async fn suspend(
        &self,
        organization: OrganizationId,
        note: Option<Name>,
        request: &ChangeRequest,
    ) -> Result<Updated, ManageError> {
        let words = note.as_ref().map_or("", Name::as_str);
        let hash = self
            .first_request(OrganizationId::INSTALLATION, ["suspend", &organization.to_string(), words], request)
            .await?;
        let detail = |_: &Organization| Detail::default().with_note(note.clone());
        let (update, action) = (OrganizationUpdate::Suspend, Action::OrganizationSuspended);
        self.update(organization, update, action, detail, hash, request).await
    }

    /// Resumes a suspended organization. After it has returned, every node accepts its keys.
    ///
    /// # Errors
    ///
    /// [`ManageError::StateUnchanged`] if it is not suspended. [`ManageError::OrganizationClosed`] if it is closed.
    pub async fn resume(&self, organization: OrganizationId, request: &ChangeRequest) -> Result<Updated, ManageError> {
        let hash =
            self.first_request(OrganizationId::INSTALLATION, ["resume", &organization.to_string()], request).await?;
        let (update, action) = (OrganizationUpdate::Resume, Action::OrganizationResumed);
        self.update(organization, update, action, |_| Detail::default(), hash, request).await
    }

    /// Closes an organization for good. After it has returned, no node accepts any of its keys, and no callback may go
    /// to its origins. Its audit log stays. A server erases its other data after `erase_after`, usually
    /// [`ERASURE_DELAY`].
    ///
    /// # Errors
    ///
    /// [`ManageError::OrganizationClosed`] if it is closed already.
    pub async fn close(
        &self,
        organization: OrganizationId,
        erase_after: Duration,
        request: &ChangeRequest,
    ) -> Result<Updated, ManageError> {
        let hash =
            self.first_request(OrganizationId::INSTALLATION, ["close", &organization.to_string()], request).await?;
        let erase_at = self.core.clock.now() + erase_after;
        let detail = |_: &Organization| Detail::default().with_erase_at(erase_at);
        let (update, action) = (OrganizationUpdate::Close { erase_at }, Action::OrganizationClosed);
        self.update(organization, update, action, detail, hash, request).await
    }

    async fn update(
        &self,
        id: OrganizationId,
        update: OrganizationUpdate,
        action: Action,
        detail: impl Fn(&Organization) -> Detail,
        hash: RequestHash,
        request: &ChangeRequest,
    ) -> Result<Updated, ManageError> {
        let mut tries = 0..MAX_TRIES;
        loop {
            let seen = self.existing(id).await?;
            let organization = update.applied_to(&seen);
            let event = self.organization_event(action, &organization, request, detail(&seen));
            let change = Change::Update { seen, update: update.clone() };
            match self.commit(change, event.into(), hash, request).await {
                Err(ManageError::ChangedMeanwhile) if tries.next().is_some() => {}
                Err(ManageError::Store(StoreError::NotFound)) => return Err(ManageError::NoSuchOrganization),
                receipt => return Ok(Updated { organization, receipt: receipt? }),
            }
        }
    }

    pub(crate) fn organization_event(
        &self,
        action: Action,
        organization: &Organization,
        request: &ChangeRequest,
        detail: Detail,
    ) -> EventDraft {
        let log = (organization.id, Environment::Production);
        let detail = detail.with_name(organization.name.clone()).with_reason(self.reason);
        self.core.event(action, organization.id.to_string(), log, &request.attribution, detail)
    }

    /// Returns the organization with this id.
    ///
    /// # Errors
    ///
    /// [`ManageError::NoSuchOrganization`] if there is no such organization.
    pub async fn organization(
        &self,
        operator: &OperatorPrincipal,
        id: OrganizationId,
    ) -> Result<Organization, ManageError> {
        operator.check(id)?;
        self.existing(id).await
    }

    pub(crate) async fn existing(&self, id: OrganizationId) -> Result<Organization, ManageError> {
        self.core.store.organization(id).await?.ok_or(ManageError::NoSuchOrganization)
    }

    /// Returns the organization with this external id.
    ///
    /// # Errors
    ///
    /// [`ManageError::NoSuchOrganization`] if there is no such organization.
    pub async fn organization_by_external_id(
        &self,
        operator: &OperatorPrincipal,
        id: &ExternalId,
    ) -> Result<Organization, ManageError> {
        operator.check_installation()?;
        self.core.store.organization_by_external_id(id).await?.ok_or(ManageError::NoSuchOrganization)
    }

    /// Returns organizations, newest first.
    ///
    /// # Errors
    ///
    /// [`ManageError::Store`] if the store fails.
    pub async fn organizations(
        &self,
        operator: &OperatorPrincipal,
        page: Page<OrganizationId>,
    ) -> Result<Vec<Organization>, ManageError> {
        operator.check_installation()?;
        Ok(self.core.store.organizations(page).await?)
    }

    /// Returns the state of the keys of these organizations, in their order. Uses that no node has written yet are left out.
    ///
    /// # Errors
    ///
    /// [`ManageError::Store`] if the store fails.
    pub async fn key_overviews(
        &self,
        operator: &OperatorPrincipal,
        organizations: &[OrganizationId],
    ) -> Result<Vec<KeyOverview>, ManageError> {
        operator.check_installation()?;
        Ok(self.core.store.key_overviews(organizations).await?)
    }

    /// Returns the organizations with this text in their names, newest first. Upper and lower case count as equal.
    ///
    /// # Errors
    ///
    /// [`ManageError::Store`] if the store fails.
    pub async fn organizations_containing(
        &self,
        operator: &OperatorPrincipal,
        text: &str,
        page: Page<OrganizationId>,
    ) -> Result<Vec<Organization>, ManageError> {
        operator.check_installation()?;
        Ok(self.core.store.organizations_containing(text, page).await?)
    }

    /// Returns up to `limit` organizations with this name, newest first. Closed organizations, and duplicates that were
    /// asked for, may share a name.
    ///
    /// # Errors
    ///
    /// [`ManageError::Store`] if the store fails.
    pub async fn organizations_named(
        &self,
        operator: &OperatorPrincipal,
        name: &Name,
        limit: u32,
    ) -> Result<Vec<Organization>, ManageError> {
        operator.check_installation()?;
        Ok(self.core.store.organizations_named(name, limit).await?)
    }
}
