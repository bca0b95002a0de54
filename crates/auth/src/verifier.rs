use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use doorward_key::{KeyClaim, KeyPrefix, PresentedKey};
use doorward_store::LiveSecret;
use doorward_types::{AccessKeyId, Environment, Locator, OrganizationId, Tick, Timestamp};

use crate::control::{Actor, Control, Host};
use crate::node::{Node, describe};
use crate::principal::Identity;
use crate::{Core, DeadKey, Principal, Refusal, StartError};

/// A node that verifies from memory. Cheap to clone: clones are the same node.
///
/// It keeps itself current on a thread of its own, with connections of its own. When the last clone is dropped, or after
/// [`Verifier::stop`], it no longer verifies anything.
#[derive(Clone)]
pub struct Verifier {
    node: Arc<Node>,
    running: Arc<Running>,
}

/// All that runs for a node. It ends when it is dropped.
struct Running {
    actor: Actor,
    count: tokio::task::AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.count.abort();
    }
}

impl Verifier {
    /// Registers a session, loads every live secret, and starts to keep it all current on a thread of its own.
    ///
    /// # Errors
    ///
    /// [`StartError`], if the store fails or holds keys of another prefix, or there is no randomness or no thread.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with timers.
    pub async fn start(core: &Core) -> Result<Self, StartError> {
        Self::start_on(core, Host::Thread).await
    }

    /// As [`Verifier::start`], but in the runtime of the caller, which can then delay it: for tests whose time is the
    /// runtime's. Dropping the last clone leaves the session behind, as a crash would.
    ///
    /// # Errors
    ///
    /// As [`Verifier::start`].
    ///
    /// # Panics
    ///
    /// As [`Verifier::start`].
    pub async fn start_in_runtime(core: &Core) -> Result<Self, StartError> {
        Self::start_on(core, Host::Runtime).await
    }

    async fn start_on(core: &Core, host: Host) -> Result<Self, StartError> {
        let (core, identity) = core.clone().claim().await?;
        let mut seed = [0; 8];
        core.random.fill(&mut seed)?;
        let node = Arc::new(Node::new(core, identity.id, u64::from_ne_bytes(seed)));
        let actor = Actor::start(Arc::clone(&node), host).await?;
        let count = tokio::spawn(Arc::clone(&node).keep_count()).abort_handle();
        Ok(Self { node, running: Arc::new(Running { actor, count }) })
    }

    /// Verifies the text of a key: no I/O, no allocation, no lock.
    ///
    /// # Errors
    ///
    /// [`Refusal`]. Which of unknown, deleted and regenerated it was is not told, and takes the same time.
    pub fn verify(&self, text: &[u8]) -> Result<Verified<'_>, Refusal> {
        // The lease first, the clock last: see the crate's documentation.
        let lease = self.node.lease().ends_at();
        let Some(claim) = KeyClaim::at_a_glance(self.prefix(), text) else { return Err(self.refusal(lease, text)) };
        let still_current = || self.node.now_within(lease).ok_or(Refusal::NotCurrent);
        let environment = claim.environment();
        let live = self.node.index().verify(claim.locator(), environment, || claim.digest(), still_current)?;
        // A text with the digest of a live key is that key: only one that has none is read any further.
        let (true, Ok(locator)) = (live, Locator::new(*claim.locator())) else { return Err(self.refusal(lease, text)) };
        Ok(Verified { verifier: self, locator, environment })
    }

    /// Why a text that is not the key of a live secret is refused. What is wrong with the text itself needs no store.
    #[cold]
    fn refusal(&self, lease: Tick, text: &[u8]) -> Refusal {
        match PresentedKey::parse(self.prefix(), text) {
            Err(fault) => Refusal::Malformed(fault),
            Ok(_) if self.node.now_within(lease).is_none() => Refusal::NotCurrent,
            Ok(_) => Refusal::Unknown,
        }
    }

    /// Verifies the text of a key, and tells who it speaks for.
    ///
    /// # Errors
    ///
    /// As [`Verifier::verify`].
    pub fn authenticate(&self, text: &[u8]) -> Result<Principal, Refusal> {
        self.verify(text)?.principal()
    }

    /// Verifies the text of a key with one read at the store, and without trust in any clock: for those who cannot bear
    /// that a virtual machine, frozen and resumed, accepts for an instant what died meanwhile.
    ///
    /// # Errors
    ///
    /// As [`Verifier::verify`]; [`Refusal::NotCurrent`] where the store cannot be read.
    pub async fn authenticate_strictly(&self, text: &[u8]) -> Result<Principal, Refusal> {
        let presented = PresentedKey::parse(self.prefix(), text)?;
        let digest = presented.digest();
        let answer = self.core().store.live_secret(presented.locator()).await;
        let live = answer.and_then(|live| live.proved(self.node.store_id())).map_err(|error| {
            tracing::warn!(error = describe(&error), "a strict verification could not read the store");
            Refusal::NotCurrent
        })?;
        if !self.node.store_is_whole() {
            return Err(Refusal::NotCurrent);
        }
        let is_it =
            |live: &LiveSecret| (live.secret.digest == digest) & (live.key.environment == presented.environment());
        match live.filter(is_it) {
            Some(live) => {
                self.node.index().give_back(&[(live.secret.locator, 1)]);
                Ok(Principal::of(Arc::new(Identity { live })))
            }
            None => Err(Refusal::Unknown),
        }
    }

    /// Whose dead secret this text is, where this node saw it die since it started, and among the last ten thousand: to be
    /// told to its owner. Whoever sent it is refused in any case.
    #[must_use]
    pub fn dead_key(&self, text: &[u8]) -> Option<DeadKey> {
        self.node.dead().find(&PresentedKey::parse(self.prefix(), text).ok()?)
    }

    /// Returns whose key this text is: a key in force, or one that this node saw die. Counts no use: it is for a key that was
    /// presented where none may be.
    #[must_use]
    pub fn knows(&self, presented: &PresentedKey<'_>) -> Option<AccessKeyId> {
        let is_it = |live: &LiveSecret| {
            (live.secret.digest == presented.digest()) & (live.key.environment == presented.environment())
        };
        let live = self.node.index().identity(&presented.locator()).filter(|identity| is_it(&identity.live));
        live.map(|identity| identity.live.key.id).or_else(|| Some(self.node.dead().find(presented)?.key))
    }

    /// Returns the number of production keys with a current secret of this age or older, and the organization and creation
    /// time of the oldest.
    ///
    /// The answer takes less than a millisecond at ten million keys. No verification waits for it.
    #[must_use]
    pub fn production_keys_older_than(&self, age: Duration) -> (u64, Option<(OrganizationId, Timestamp)>) {
        let (count, oldest) = self.node.index().production_secrets_until(self.core().clock.now() - age);
        (count, oldest.map(|oldest| (oldest.live.key.organization, oldest.live.secret.created_at)))
    }

    /// Bytes of memory that verifying may touch: the index with its usage counters. The names and ids that a
    /// [`Principal`] tells are kept beside it, and take some 230 bytes a key.
    #[must_use]
    pub fn index_bytes(&self) -> usize {
        self.node.index().bytes()
    }

    /// Whether this node can prove at this moment that what it knows is current.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.node.lease_left().is_some()
    }

    /// What this service's keys start with.
    #[must_use]
    pub fn prefix(&self) -> &KeyPrefix {
        &self.node.core().prefix
    }

    /// What this node stands on.
    #[must_use]
    pub fn core(&self) -> &Core {
        self.node.core()
    }

    /// Stops verifying, writes the uses that it has counted, and takes the session out of the store, so that no writer
    /// waits for it.
    pub async fn stop(&self) {
        self.running.actor.stop().await;
        self.node.flush_uses().await;
    }

    pub(crate) fn control(&self) -> &Arc<Control> {
        self.running.actor.control()
    }

    pub(crate) const fn node(&self) -> &Arc<Node> {
        &self.node
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("current", &self.is_current()).finish_non_exhaustive()
    }
}

/// A key that was verified. Who it speaks for is looked up when it is asked for.
#[derive(Clone, Copy)]
pub struct Verified<'a> {
    verifier: &'a Verifier,
    locator: Locator,
    environment: Environment,
}

impl Verified<'_> {
    /// The environment, as the stored record has it.
    #[must_use]
    pub const fn environment(&self) -> Environment {
        self.environment
    }

    /// The public part of the secret that was presented.
    #[must_use]
    pub const fn locator(&self) -> Locator {
        self.locator
    }

    /// Who the key speaks for, to be kept and handed on.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unknown`], where the key has died since it was verified.
    pub fn principal(&self) -> Result<Principal, Refusal> {
        self.verifier.node.index().identity(&self.locator).map(Principal::of).ok_or(Refusal::Unknown)
    }
}

impl fmt::Debug for Verified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").field("locator", &self.locator).finish_non_exhaustive()
    }
}
