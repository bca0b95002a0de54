//! A service's own tenants as organizations.

use std::time::Duration;

use crate::auth::{NewOrganization, ProvisionedOnce, Updated};
use crate::store::Organization;
use crate::types::OrganizationId;
use crate::{AccessKeys, Error};

/// The life of an organization. Each change is in effect everywhere when it returns, and has its audit event, in which the
/// service itself is the actor. To name a person, use the [`Issuer`](crate::auth::Issuer) with a request of that person:
/// `OperatorPrincipal::of_visitor(&visitor).request()` for a user who manages one organization.
impl AccessKeys {
    /// Adds the organization with the service's own id, or returns it if it exists. So a sign-up can be repeated at any time:
    /// the same id always gives the same organization. The value of its production key is in the first answer only.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use doorward::{AccessKeys, auth::ProvisionedOnce};
    ///
    /// let keys = AccessKeys::open("memory:").start().await?;
    /// let ProvisionedOnce::New(acme) = keys.provision_once("tenant-7", "Acme").await? else { unreachable!("it is new") };
    /// let again = keys.provision_once("tenant-7", "Acme").await?;
    /// assert_eq!(again.organization().id, acme.organization.id);
    ///
    /// // The customer does not pay: all keys are refused, everywhere, when this returns.
    /// keys.suspend(acme.organization.id).await?;
    /// assert!(keys.verifier().authenticate(acme.value.expose().as_bytes()).is_err());
    /// # keys.stop().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// Two customers may have the same name, if they are asked for in this way:
    ///
    /// ```
    /// # async fn sign_up(keys: &doorward::AccessKeys) -> Result<(), doorward::Error> {
    /// use doorward::auth::NewOrganization;
    ///
    /// let acme = NewOrganization::named("Acme".parse()?).with_duplicate_name(true);
    /// keys.provision_once("tenant-8", acme).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::ExternalId`] or [`Error::Name`] if a text is not valid. [`Error::Manage`] with
    /// [`NameTaken`](crate::auth::ManageError::NameTaken) if another organization has the name.
    pub async fn provision_once<N>(&self, external_id: &str, organization: N) -> Result<ProvisionedOnce, Error>
    where
        N: TryInto<NewOrganization>,
        Error: From<N::Error>,
    {
        let external_id = external_id.parse().map_err(Error::ExternalId)?;
        let new = organization.try_into().map_err(Error::from)?;
        Ok(self.issuer().provision_once(external_id, new, &self.request()).await?)
    }

    /// Returns the organization with the service's own id, or `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::ExternalId`], or [`Error::Store`] if the store fails.
    pub async fn organization_by_external_id(&self, external_id: &str) -> Result<Option<Organization>, Error> {
        Ok(self.store().organization_by_external_id(&external_id.parse()?).await?)
    }

    /// Changes the name of an organization.
    ///
    /// # Errors
    ///
    /// [`Error::Name`], or [`Error::Manage`] as [`Issuer::rename`](crate::auth::Issuer::rename).
    pub async fn rename(&self, organization: OrganizationId, name: &str) -> Result<Updated, Error> {
        Ok(self.issuer().rename(organization, name.parse()?, &self.request()).await?)
    }

    /// Suspends an organization: all its keys are refused until it is resumed. Its data stays.
    ///
    /// # Errors
    ///
    /// [`Error::Manage`] as [`Issuer::suspend`](crate::auth::Issuer::suspend).
    pub async fn suspend(&self, organization: OrganizationId) -> Result<Updated, Error> {
        Ok(self.issuer().suspend(organization, None, &self.request()).await?)
    }

    /// Resumes a suspended organization: its keys work again.
    ///
    /// # Errors
    ///
    /// [`Error::Manage`] as [`Issuer::resume`](crate::auth::Issuer::resume).
    pub async fn resume(&self, organization: OrganizationId) -> Result<Updated, Error> {
        Ok(self.issuer().resume(organization, &self.request()).await?)
    }

    /// Closes an organization for good: its keys are dead. Its audit log stays, and its other data can be erased from
    /// `erase_after` on, usually [`ERASURE_DELAY`](crate::auth::ERASURE_DELAY): a server, or a service that runs
    /// [`Linker::keep_up`](https://docs.rs/doorward-link/latest/doorward_link/struct.Linker.html#method.keep_up), erases it.
    ///
    /// # Errors
    ///
    /// [`Error::Manage`] as [`Issuer::close`](crate::auth::Issuer::close).
    pub async fn close(&self, organization: OrganizationId, erase_after: Duration) -> Result<Updated, Error> {
        Ok(self.issuer().close(organization, erase_after, &self.request()).await?)
    }
}
