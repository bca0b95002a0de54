use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use doorward_key::{KeyClaim, KeyPrefix, PresentedKey};
use doorward_store::LiveSecret;
use doorward_types::{AccessKeyId, Environment, Locator, OrganizationId, Tick, Timestamp};

use crate::control::{Actor, Control, Host};
use crate::index::Live;
use crate::node::{Node, describe};
use crate::principal::Identity;
use crate::{Core, Principal, Refusal, StartError};

/// A node that verifies from memory. Cheap to clone: clones are the same node.
///
/// It keeps itself current on a thread of its own, with connections of its own. When the last clone is dropped, or after
/// [`Verifier::stop`], it no longer verifies anything.
#[derive(Clone)]
pub struct Verifier {
    node: Arc<Node>,
    running: Arc<Running>,
}

/// A text that was refused, with the well-formed key that it is, if no such key is in force.
struct Refused<'a> {
    refusal: Refusal,
    unknown: Option<PresentedKey<'a>>,
}

impl From<Refusal> for Refused<'_> {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, unknown: None }
    }
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
    /// [`Refusal`]. An unknown key, a deleted key and a regenerated key are refused alike, as [`Refusal::Unknown`], and
    /// the refusals take the same time.
    pub fn verify(&self, text: &[u8]) -> Result<Verified, Refusal> {
        let verified = |claim: KeyClaim<'_>, _: Live<'_>| {
            Some(Verified { environment: claim.environment(), locator: Locator::new(*claim.locator()).ok()? })
        };
        self.search(text, verified).map_err(|refused| refused.refusal)
    }

    /// Verifies the text of a key, and returns the principal that it speaks for. The index is searched once.
    ///
    /// # Errors
    ///
    /// [`Refusal`]. It names a revoked key to the caller, who may warn the key's owner and must not tell the sender.
    pub fn authenticate(&self, text: &[u8]) -> Result<Principal, Refusal> {
        self.search(text, |_, live| live.identity()).map(Principal::of).map_err(|refused| match refused.unknown {
            Some(presented) => self.unknown(&presented),
            None => refused.refusal,
        })
    }

    fn search<'a, T>(
        &self,
        text: &'a [u8],
        take: impl FnOnce(KeyClaim<'a>, Live<'_>) -> Option<T>,
    ) -> Result<T, Refused<'a>> {
        // The lease first, the clock last: see the crate's documentation.
        let lease = self.node.lease().ends_at();
        let Some(claim) = KeyClaim::at_a_glance(self.prefix(), text) else { return Err(self.refused(lease, text)) };
        let still_current = || self.node.now_within(lease).ok_or(Refusal::NotCurrent);
        let (locator, environment) = (claim.locator(), claim.environment());
        let index = self.node.index();
        let found = index.verify(locator, environment, || claim.digest(), still_current, |live| take(claim, live))?;
        // A text with the digest of a live key is that key: only a text without it is read any further.
        found.flatten().ok_or_else(|| self.refused(lease, text))
    }

    /// Returns why a text that is not the key of a live secret is refused. A fault of the text itself needs no store.
    #[cold]
    fn refused<'a>(&self, lease: Tick, text: &'a [u8]) -> Refused<'a> {
        match PresentedKey::parse(self.prefix(), text) {
            Err(fault) => Refusal::Malformed(fault).into(),
            Ok(_) if self.node.now_within(lease).is_none() => Refusal::NotCurrent.into(),
            Ok(presented) => Refused { refusal: Refusal::Unknown, unknown: Some(presented) },
        }
    }

    /// Returns the refusal of a well-formed key that is not in force.
    #[cold]
    fn unknown(&self, presented: &PresentedKey<'_>) -> Refusal {
        self.node.dead().find(presented).map_or(Refusal::Unknown, Refusal::Revoked)
    }

    /// Verifies the text of a key with one read at the store, and without trust in any clock. Use this if a virtual
    /// machine that is frozen and resumed must not accept a revoked key even for an instant.
    ///
    /// # Errors
    ///
    /// As [`Verifier::authenticate`]; [`Refusal::NotCurrent`] if the store cannot be read.
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
            None => Err(self.unknown(&presented)),
        }
    }

    /// Returns the key that this text belongs to: a key in force, or a key whose revocation this node saw. Counts no use:
    /// this is for a key that was presented in the wrong place.
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

/// The public facts of a verified key that the search itself needs. [`Verifier::authenticate`] returns the rest of them.
#[derive(Clone, Copy, Debug)]
pub struct Verified {
    environment: Environment,
    locator: Locator,
}

impl Verified {
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
}
