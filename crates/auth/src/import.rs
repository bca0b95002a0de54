//! Taking over keys that another service made.

use doorward_audit::{Action, Detail, EventDraft};
use doorward_key::ImportedDigest;
use doorward_store::{AccessKey, ActiveSecret, Change, Events, KeyRef, Organization, RequestHash, Secret, StoreError};
use doorward_types::{Environment, Name, OrganizationId, SecretState, Timestamp, altered};

use crate::control::effect;
use crate::issuer::{MAX_TRIES, between, summaries, summary};
use crate::{ChangeRequest, Issuer, ManageError, OperatorPrincipal, Receipt};

/// The organization of an imported key.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ImportOwner {
    /// An organization of the store.
    Existing(OrganizationId),
    /// A new organization with this name. The imported key becomes its production key.
    New(Name),
}

/// A key that another service made.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::sync::Arc;
/// # use doorward_auth::{Core, ImportOwner, Issuer, KeyImport, OperatorPrincipal, StagedKey, Verifier};
/// # use doorward_key::ImportedDigest;
/// # use doorward_store_memory::MemoryStore;
/// # use doorward_types::Environment;
/// # let core = Core::new(Arc::new(MemoryStore::new()));
/// # let verifier = Verifier::start(&core).await?;
/// # let issuer = Issuer::beside(&verifier);
/// # let request = OperatorPrincipal::local_administrator("ada".parse()?).request();
/// let key = b"sk_live_51H8zTqLw0p9vYbN3cXe2Rk7";
/// let stored = "699fbfc5b9ebbb742ea4cb0fa2f5d9b2be20cfc7f2f16cfafb7ebc27a7d510bc";
/// let import = KeyImport::new(ImportOwner::New("Acme".parse()?), Environment::Production, ImportedDigest::sha256(stored)?);
/// let imported = issuer.import(import, &request).await?;
/// assert_eq!(verifier.authenticate(key)?.key_id(), imported.key.id);
///
/// // A regeneration gives the key our own format, and the old key is dead everywhere.
/// issuer.regenerate(imported.key.organization, StagedKey::Promote, &request).await?;
/// assert!(verifier.authenticate(key).is_err());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct KeyImport {
    /// The organization.
    pub owner: ImportOwner,
    /// The environment that the key opens.
    pub environment: Environment,
    /// The digest, in the format of the other service.
    pub digest: ImportedDigest,
    /// The name of a new key. The default is the environment's word.
    pub name: Option<Name>,
    /// The time at which the other service made the key. The default is the time of the import.
    pub created_at: Option<Timestamp>,
}

impl KeyImport {
    /// Returns an import of a key without a name and a time of creation.
    #[must_use]
    pub const fn new(owner: ImportOwner, environment: Environment, digest: ImportedDigest) -> Self {
        Self { owner, environment, digest, name: None, created_at: None }
    }
}

/// An imported key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ImportedKey {
    /// The key.
    pub key: AccessKey,
    /// The imported secret.
    pub secret: Secret,
    /// The proof that the key works everywhere. `None` if it was imported before.
    pub receipt: Option<Receipt>,
}

impl Issuer {
    /// Takes over a key of another service by its digest. The text that its holder has goes on working, with the guarantees of
    /// our own keys.
    ///
    /// The secret becomes the production key of a new organization, the staged secret of an existing production key, or a
    /// new test key. A key that works already is not changed, so a repeat does no harm. A revoked key is never imported again.
    ///
    /// # Errors
    ///
    /// [`ManageError::NoSuchOrganization`] if a test key is for a new organization. [`ManageError::AlreadyStaged`] if a
    /// production key has two secrets. [`ManageError::ImportedElsewhere`], [`ManageError::ImportRevoked`] or
    /// [`ManageError::ImportFromFuture`].
    pub async fn import(&self, import: KeyImport, request: &ChangeRequest) -> Result<ImportedKey, ManageError> {
        if import.created_at.is_some_and(|created_at| created_at > self.core.clock.now()) {
            return Err(ManageError::ImportFromFuture);
        }
        let hash = self.first_request(OrganizationId::INSTALLATION, ["import", &described(&import)], request).await?;
        let asked = Asked { import, request, hash };
        if let Some(known) = self.imported_before(&asked).await? {
            return Ok(known);
        }
        let made = match (&asked.import.owner, asked.import.environment) {
            (ImportOwner::New(name), Environment::Production) => self.import_with_organization(name, &asked).await,
            (ImportOwner::New(_), Environment::Test) => Err(ManageError::NoSuchOrganization),
            (ImportOwner::Existing(id), Environment::Production) => self.import_staged(*id, &asked).await,
            (ImportOwner::Existing(id), Environment::Test) => self.import_test_key(*id, &asked).await,
        };
        match made {
            // Another process may have imported it meanwhile.
            Err(ManageError::ImportRevoked) => self.imported_before(&asked).await?.ok_or(ManageError::ImportRevoked),
            made => made,
        }
    }

    /// Returns the active secret with an imported digest.
    ///
    /// # Errors
    ///
    /// [`ManageError::Store`] if the store fails.
    pub async fn imported(
        &self,
        operator: &OperatorPrincipal,
        digest: ImportedDigest,
    ) -> Result<Option<ActiveSecret>, ManageError> {
        operator.check_installation()?;
        let found = self.core.store.active_secret(digest.locator()).await;
        let found = found.and_then(|found| effect::of_this_store(self.control.as_ref(), found))?;
        Ok(found.filter(|active| active.secret.digest == digest.digest()))
    }

    /// Returns the key if it works already.
    async fn imported_before(&self, asked: &Asked<'_>) -> Result<Option<ImportedKey>, ManageError> {
        let found = self.imported(asked.request.operator(), asked.import.digest).await?;
        let Some(ActiveSecret { secret, key, organization_name, .. }) = found else { return Ok(None) };
        let is_same = match &asked.import.owner {
            ImportOwner::Existing(id) => *id == key.organization,
            ImportOwner::New(name) => *name == organization_name,
        };
        if !is_same || key.environment != asked.import.environment {
            return Err(ManageError::ImportedElsewhere);
        }
        // The change that made a production key is the organization's.
        self.settle(&key.organization.to_string()).await?;
        self.settle(&key.id.to_string()).await?;
        Ok(Some(ImportedKey { key, secret, receipt: None }))
    }

    async fn import_with_organization(&self, name: &Name, asked: &Asked<'_>) -> Result<ImportedKey, ManageError> {
        let id = OrganizationId::new(self.core.id_seed()?);
        let organization = Organization::new(id, name.clone(), self.core.clock.now());
        let (key, secret) = self.imported_key(id, asked)?;
        let made =
            self.organization_event(Action::OrganizationCreated, &organization, asked.request, Detail::default());
        let events = Events::from(made).and(self.import_event(&key, &secret, asked));
        let change = Change::Provision {
            organization,
            key: key.clone(),
            secret,
            only_if_empty: false,
            allow_duplicate_name: false,
        };
        self.commit_import(change, events, key, secret, asked).await.map_err(not_again)
    }

    async fn import_test_key(
        &self,
        organization: OrganizationId,
        asked: &Asked<'_>,
    ) -> Result<ImportedKey, ManageError> {
        let (key, secret) = self.imported_key(organization, asked)?;
        let event = self.import_event(&key, &secret, asked);
        let change = Change::Create { key: key.clone(), secret };
        match self.commit_import(change, event.into(), key, secret, asked).await {
            Err(ManageError::Store(StoreError::NotFound)) => Err(ManageError::NoSuchOrganization),
            made => made.map_err(not_again),
        }
    }

    /// Adds the secret beside the current one, as a stage does.
    async fn import_staged(&self, organization: OrganizationId, asked: &Asked<'_>) -> Result<ImportedKey, ManageError> {
        let mut tries = 0..MAX_TRIES;
        let mut found = self.production_key(organization).await?;
        loop {
            let secret = self.imported_secret(&asked.import, found.generations + 1, SecretState::Staged);
            let after = summaries(&found.secrets).into_iter().chain([summary(&secret)]).collect();
            let event = self.event(Action::AccessKeyImported, &found.key, asked.request, between(&found, after));
            let change = Change::Stage { key: KeyRef::of(&found.key), secret };
            let made = self.commit_import(change, event.into(), found.key.clone(), secret, asked).await;
            let Err(ManageError::ChangedMeanwhile) = made else { return made };
            let newest = self.production_key(organization).await?;
            match tries.next() {
                // The key has not changed, so the store knows the secret.
                _ if newest == found => return Err(ManageError::ImportRevoked),
                None => return made,
                Some(_) => found = newest,
            }
        }
    }

    fn imported_key(
        &self,
        organization: OrganizationId,
        asked: &Asked<'_>,
    ) -> Result<(AccessKey, Secret), ManageError> {
        let import = &asked.import;
        let name = import.name.clone().unwrap_or_else(|| import.environment.into());
        let key = self.new_key(organization, import.environment, name, asked.request)?;
        Ok((key, self.imported_secret(import, 1, SecretState::Current)))
    }

    fn imported_secret(&self, import: &KeyImport, generation: u32, state: SecretState) -> Secret {
        let (locator, digest) = (import.digest.locator(), import.digest.digest());
        let created_at = import.created_at.unwrap_or_else(|| self.core.clock.now());
        let secret = Secret::new(state, locator, digest, generation, created_at);
        altered!(secret, imported: Some(import.digest.format()))
    }

    fn import_event(&self, key: &AccessKey, secret: &Secret, asked: &Asked<'_>) -> EventDraft {
        let detail = named(&key.name).with_after(vec![summary(secret)]);
        self.event(Action::AccessKeyImported, key, asked.request, detail)
    }

    async fn commit_import(
        &self,
        change: Change,
        events: Events,
        key: AccessKey,
        secret: Secret,
        asked: &Asked<'_>,
    ) -> Result<ImportedKey, ManageError> {
        let receipt = self.commit(change, events, asked.hash, asked.request).await?;
        Ok(ImportedKey { key, secret, receipt: Some(receipt) })
    }
}

/// A requested import.
struct Asked<'a> {
    import: KeyImport,
    request: &'a ChangeRequest,
    hash: RequestHash,
}

/// Returns the part of an import that tells it from every other.
fn described(import: &KeyImport) -> String {
    let owner = match &import.owner {
        ImportOwner::Existing(id) => id.to_string(),
        ImportOwner::New(name) => format!("new {name}"),
    };
    format!("{} {} {owner}", import.digest.locator(), import.environment)
}

/// Returns the meaning of a conflict over a new record: only its secret can be known to the store.
fn not_again(error: ManageError) -> ManageError {
    match error {
        ManageError::ChangedMeanwhile => ManageError::ImportRevoked,
        other => other,
    }
}

fn named(name: &Name) -> Detail {
    Detail::default().with_name(name.clone())
}
