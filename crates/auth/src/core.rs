use std::sync::Arc;

use doorward_audit::{Action, Attribution, Detail, EventDraft};
use doorward_key::{KeyPrefix, Random, RandomError, SystemRandom};
use doorward_store::{KeyEngine, StoreError, StoreIdentity};
use doorward_types::{Clock, Environment, IdSeed, IdSequence, Name, OrganizationId, SystemClock};

use crate::observer::Silent;
use crate::{LeaseConfig, Observer};

/// The log of the installation, for events of no organization.
pub(crate) const INSTALLATION: (OrganizationId, Environment) = (OrganizationId::INSTALLATION, Environment::Production);

/// The base of verifiers and issuers: a store, a clock, randomness, a key prefix and the timing. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Core {
    pub(crate) store: Arc<dyn KeyEngine>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) prefix: KeyPrefix,
    prefix_is_chosen: bool,
    pub(crate) timing: LeaseConfig,
    pub(crate) observer: Arc<dyn Observer>,
    /// The name of this machine, and of this program with its version.
    pub(crate) description: Option<(Name, Name)>,
    ids: Arc<IdSequence>,
}

impl Core {
    /// Returns the core over this store, with the machine's clock and randomness, the prefix of the store's keys (`dw` in a
    /// new store), and the default timing.
    #[must_use]
    pub fn new(store: Arc<dyn KeyEngine>) -> Self {
        Self {
            store,
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            prefix: KeyPrefix::default(),
            prefix_is_chosen: false,
            timing: LeaseConfig::default(),
            observer: Arc::new(Silent),
            description: None,
            ids: Arc::default(),
        }
    }

    /// Replaces the clock.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Replaces the source of randomness.
    #[must_use]
    pub fn with_random(self, random: Arc<dyn Random>) -> Self {
        Self { random, ..self }
    }

    /// Sets the observer. An observer that the caller set before hears nothing any longer.
    #[must_use]
    pub fn with_observer(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer, ..self }
    }

    /// Describes a node of this core to people who list the nodes: the name of its machine, and of its program with the
    /// version.
    #[must_use]
    pub fn with_description(self, host: Name, program: Name) -> Self {
        Self { description: Some((host, program)), ..self }
    }

    /// Sets the embedding service's own prefix. The store keeps its first prefix: with a different prefix, nothing
    /// starts.
    #[must_use]
    pub fn with_prefix(self, prefix: KeyPrefix) -> Self {
        Self { prefix, prefix_is_chosen: true, ..self }
    }

    /// Adopts the prefix of the store's keys. Call it in a process without a [`Verifier`](crate::Verifier), which does
    /// the same at its start.
    ///
    /// # Errors
    ///
    /// [`StoreError::OtherPrefix`] if a different prefix was set. [`StoreError`] if the store cannot be read.
    pub async fn adopt(self) -> Result<Self, StoreError> {
        Ok(self.adopted().await?.0)
    }

    /// Adopts the prefix like [`Core::adopt`], and writes the prefix into a store without a prefix.
    pub(crate) async fn claim(self) -> Result<(Self, StoreIdentity), StoreError> {
        let (core, identity) = self.adopted().await?;
        if identity.prefix.is_some() {
            return Ok((core, identity));
        }
        core.store.claim_prefix(&core.prefix).await?;
        // Another process may have written a prefix first.
        core.adopted().await
    }

    async fn adopted(self) -> Result<(Self, StoreIdentity), StoreError> {
        let (_, identity) = self.store.identity().await?.proved_of_any_store()?;
        match &identity.prefix {
            Some(prefix) if self.prefix_is_chosen && *prefix != self.prefix => {
                Err(StoreError::OtherPrefix { store: prefix.clone() })
            }
            Some(prefix) => Ok((Self { prefix: prefix.clone(), ..self }, identity)),
            None => Ok((self, identity)),
        }
    }

    /// Replaces the durations of the coherence protocol.
    #[must_use]
    pub fn with_timing(self, timing: LeaseConfig) -> Self {
        Self { timing, ..self }
    }

    /// Returns the store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn KeyEngine> {
        &self.store
    }

    /// Returns the clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Returns the source of randomness.
    #[must_use]
    pub fn random(&self) -> &Arc<dyn Random> {
        &self.random
    }

    /// Returns the prefix of this service's keys.
    #[must_use]
    pub fn prefix(&self) -> &KeyPrefix {
        &self.prefix
    }

    /// Returns an event with the present time, for the log of an environment.
    #[must_use]
    pub fn event(
        &self,
        action: Action,
        subject: String,
        log: (OrganizationId, Environment),
        by: &Attribution,
        detail: Detail,
    ) -> EventDraft {
        EventDraft::new(by, self.clock.now(), action, subject, log).with_detail(detail)
    }

    /// Returns the seed of a fresh id, which sorts after all earlier ids of this core and its clones.
    ///
    /// # Errors
    ///
    /// Fails if the generator fails.
    pub fn id_seed(&self) -> Result<IdSeed, RandomError> {
        let mut random = [0; 10];
        self.random.fill(&mut random)?;
        Ok(self.ids.seed(self.clock.now(), random))
    }
}
