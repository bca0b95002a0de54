use std::sync::Arc;

use doorward_key::{KeyPrefix, Random, RandomError, SystemRandom};
use doorward_store::Store;
use doorward_types::{Clock, IdSeed, SystemClock};

use crate::Timing;

/// What the core stands on: a store, a clock, randomness, and two choices. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Core {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) prefix: KeyPrefix,
    pub(crate) timing: Timing,
}

impl Core {
    /// The core over this store, with the machine's clock and randomness, the prefix `dw`, and the default timing.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            prefix: KeyPrefix::default(),
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

    /// With a prefix of the embedding service's own.
    #[must_use]
    pub fn with_prefix(self, prefix: KeyPrefix) -> Self {
        Self { prefix, ..self }
    }

    /// With other durations of the coherence protocol.
    #[must_use]
    pub fn with_timing(self, timing: Timing) -> Self {
        Self { timing, ..self }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
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
