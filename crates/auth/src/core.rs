use std::sync::Arc;

use doorward_key::{KeyPrefix, Random, RandomError, SystemRandom};
use doorward_store::{KeyEngine, StoreError, StoreIdentity};
use doorward_types::{Clock, IdSeed, SystemClock};

use crate::Timing;

/// The foundation of the core: a store, a clock, randomness, and two choices. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Core {
    pub(crate) store: Arc<dyn KeyEngine>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) prefix: KeyPrefix,
    prefix_is_chosen: bool,
    pub(crate) timing: Timing,
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
            timing: Timing::default(),
        }
    }

    /// With another clock.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// With another source of randomness.
    #[must_use]
    pub fn with_random(self, random: Arc<dyn Random>) -> Self {
        Self { random, ..self }
    }

    /// With a prefix of the embedding service's own. The store keeps the first prefix that it is given: on a store whose
    /// keys have another one, nothing starts.
    #[must_use]
    pub fn with_prefix(self, prefix: KeyPrefix) -> Self {
        Self { prefix, prefix_is_chosen: true, ..self }
    }

    /// Takes over the prefix of the store's keys: for a process without a [`Verifier`](crate::Verifier), which does this at
    /// its start.
    ///
    /// # Errors
    ///
    /// [`StoreError::OtherPrefix`], if another prefix was chosen; [`StoreError`], if the store cannot be read.
    pub async fn adopt(self) -> Result<Self, StoreError> {
        Ok(self.adopted().await?.0)
    }

    /// As [`Core::adopt`], and writes the prefix into a store that has none.
    pub(crate) async fn claim(self) -> Result<(Self, StoreIdentity), StoreError> {
        let (core, identity) = self.adopted().await?;
        if identity.prefix.is_some() {
            return Ok((core, identity));
        }
        core.store.claim_prefix(&core.prefix).await?;
        // Another process may have been quicker.
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

    /// With other durations of the coherence protocol.
    #[must_use]
    pub fn with_timing(self, timing: Timing) -> Self {
        Self { timing, ..self }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn KeyEngine> {
        &self.store
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The randomness.
    #[must_use]
    pub fn random(&self) -> &Arc<dyn Random> {
        &self.random
    }

    /// What this service's keys start with.
    #[must_use]
    pub fn prefix(&self) -> &KeyPrefix {
        &self.prefix
    }

    /// What a fresh id is made of.
    ///
    /// # Errors
    ///
    /// Where the generator fails.
    pub fn id_seed(&self) -> Result<IdSeed, RandomError> {
        let mut random = [0; 10];
        self.random.fill(&mut random)?;
        Ok(IdSeed { now: self.clock.now(), random })
    }
}
