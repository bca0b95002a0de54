//! The origins that callbacks of an organization may go to: changed like keys, and as immediately.

use doorward_audit::{Action, Detail, EventDraft};
use doorward_origin::{AllowedOrigin, Refusal};
use doorward_store::{Change, Organization, OriginEntry, RequestHash, StoreError};
use doorward_types::{AllowedOriginId, Environment, OrganizationId};

use crate::{ChangeRequest, IssueError, Issuer, OperatorPrincipal, Receipt, Verifier};

/// An entry that is on a list from now on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Allowed {
    /// The entry.
    pub entry: OriginEntry,
    /// None where it was there already.
    pub receipt: Option<Receipt>,
}

/// Why a callback may not go to a URL.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum OriginRefusal {
    /// This node cannot prove that what it knows is current. Not a word about the URL.
    #[error("this node cannot prove that it is up to date")]
    NotCurrent,
    /// It is not on the list, or on none.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Issuer {
    /// Puts an origin on an organization's list.
    ///
    /// # Errors
    ///
    /// [`IssueError::NoSuchOrganization`] where there is none.
    pub async fn allow_origin(
        &self,
        organization: OrganizationId,
        origin: AllowedOrigin,
        request: &ChangeRequest,
    ) -> Result<Allowed, IssueError> {
        let hash = RequestHash::of(["allow", &organization.to_string(), &origin.to_string()]);
        self.refuse_repeat(&hash, request).await?;
        let known = async || {
            let entries = self.entries(organization).await?;
            let Some(entry) = entries.into_iter().find(|entry| entry.origin == origin) else { return Ok(None) };
            self.settle(&entry.id.to_string()).await?;
            Ok::<_, IssueError>(Some(Allowed { entry, receipt: None }))
        };
        if let Some(allowed) = known().await? {
            return Ok(allowed);
        }
        let entry = OriginEntry {
            id: AllowedOriginId::new(self.core.id_seed()?),
            organization,
            origin: origin.clone(),
            created_at: self.core.clock.now(),
            created_by: request.attribution.actor.clone(),
        };
        let event = self.origin_event(Action::AllowedOriginAdded, &entry, request);
        match self.commit(Change::AllowOrigin { entry: entry.clone() }, event.into(), hash, request).await {
            Err(IssueError::Store(StoreError::Missing)) => Err(IssueError::NoSuchOrganization),
            // Someone else was quicker with the same origin.
            Err(IssueError::ChangedMeanwhile) => known().await?.ok_or(IssueError::ChangedMeanwhile),
            receipt => Ok(Allowed { entry, receipt: Some(receipt?) }),
        }
    }

    /// Takes an origin off an organization's list. When it returns, no node lets a callback go there.
    ///
    /// # Errors
    ///
    /// [`IssueError::NoSuchOrigin`] if it is not there.
    pub async fn disallow_origin(
        &self,
        organization: OrganizationId,
        id: AllowedOriginId,
        request: &ChangeRequest,
    ) -> Result<Receipt, IssueError> {
        let subject = id.to_string();
        let hash = RequestHash::of(["disallow", &organization.to_string(), &subject]);
        self.refuse_repeat(&hash, request).await?;
        let entries = self.entries(organization).await?;
        let Some(entry) = entries.into_iter().find(|entry| entry.id == id) else {
            self.existing(organization).await?;
            return Err(self.in_effect(&subject, IssueError::NoSuchOrigin).await);
        };
        let event = self.origin_event(Action::AllowedOriginRemoved, &entry, request);
        match self.commit(Change::DisallowOrigin { organization, id }, event.into(), hash, request).await {
            Err(IssueError::Store(StoreError::Missing)) => {
                Err(self.in_effect(&subject, IssueError::NoSuchOrigin).await)
            }
            receipt => receipt,
        }
    }

    /// The origins that callbacks of an organization may go to, oldest first.
    ///
    /// # Errors
    ///
    /// [`IssueError::Store`].
    pub async fn allowed_origins(
        &self,
        _: &OperatorPrincipal,
        organization: &Organization,
    ) -> Result<Vec<OriginEntry>, IssueError> {
        self.entries(organization.id).await
    }

    async fn entries(&self, organization: OrganizationId) -> Result<Vec<OriginEntry>, IssueError> {
        self.core.store.allowed_origins(organization).await.map_err(IssueError::Store)
    }

    fn origin_event(&self, action: Action, entry: &OriginEntry, request: &ChangeRequest) -> EventDraft {
        let log = (entry.organization, Environment::Production);
        let detail = Detail { origin: Some(entry.origin.to_string()), reason: self.reason(), ..Detail::default() };
        let event = EventDraft::new(&request.attribution, self.core.clock.now(), action, entry.id.to_string(), log);
        EventDraft { detail, ..event }
    }
}

impl Verifier {
    /// Whether a callback of this organization may go to a URL: from memory, without I/O, and as current as a verification.
    ///
    /// # Errors
    ///
    /// [`OriginRefusal`], which says why in words for people.
    pub fn check_origin(&self, organization: OrganizationId, url: &str) -> Result<AllowedOrigin, OriginRefusal> {
        // The lease first, the clock last: see the crate's documentation.
        let lease = self.node().lease().ends_at();
        let checked = self.node().allow_list(organization).check(url);
        match self.node().now_within(lease) {
            Some(_) => Ok(checked?),
            None => Err(OriginRefusal::NotCurrent),
        }
    }
}
