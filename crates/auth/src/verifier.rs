use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use doorward_key::{Digest, ImportedDigest, KeyCandidate, KeyPrefix, PresentedForeignKey, PresentedKey};
use doorward_store::ActiveSecret;
use doorward_types::{Environment, Locator, MonoInstant, Name, OrganizationId, Timestamp};
use tokio::task::JoinHandle;

use crate::control::{Actor, Control, Host};
use crate::index::Live;
use crate::node::{Node, describe};
use crate::principal::Identity;
use crate::{Core, KnownKey, LONG_STAGED, Principal, ROTATION_PERIOD, RevokedKey, StartError, VerifyError};

/// A node that verifies from memory. Cheap to clone: all clones are one node.
///
/// It keeps itself current on a thread of its own, with connections of its own. After [`Verifier::stop`], it no longer
/// verifies anything.
///
/// # Shutting down
///
/// A program that ends calls [`Verifier::stop`] last. If it does not, the last clone that is dropped stops the node in the
/// background: its thread takes the session out of the store, and inside a runtime the uses that were counted are written.
/// A program that is over before they are done leaves the session behind, as a crash does: each of the next two changes then
/// waits until the node's lease has ended, for about four seconds.
#[derive(Clone)]
pub struct Verifier {
    pub(crate) node: Arc<Node>,
    running: Arc<Running>,
}

/// A refused text. `unknown` is the key in the text, if the text is well-formed but not an active key.
struct Refused<'a> {
    refusal: VerifyError,
    unknown: Option<Claim<'a>>,
}

/// A well-formed text: of our own format, or of a format of imported keys.
enum Claim<'a> {
    Own(PresentedKey<'a>),
    Foreign(&'a [u8]),
}

impl From<VerifyError> for Refused<'_> {
    fn from(refusal: VerifyError) -> Self {
        Self { refusal, unknown: None }
    }
}

/// The running parts of a node. Dropping it stops them.
struct Running {
    actor: Actor,
    count: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let count = self.count.take().inspect(JoinHandle::abort);
        // The actor takes its session out by itself. The uses go over the connections of requests, which need this runtime.
        if self.actor.has_thread()
            && !self.actor.control().is_stopped()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let node = Arc::clone(&self.actor.control().node);
            runtime.spawn(async move {
                // A write that is cut off counts its uses again when its task is gone.
                if let Some(count) = count {
                    let _ = count.await;
                }
                node.flush_counts().await;
            });
        }
    }
}

impl Verifier {
    /// Registers a session, loads every active secret, and starts the thread that keeps the node current.
    ///
    /// # Errors
    ///
    /// [`StartError`] if the store fails or has keys with another prefix, or if there is no randomness or no thread.
    ///
    /// # Panics
    ///
    /// Panics outside a tokio runtime with timers.
    pub async fn start(core: &Core) -> Result<Self, StartError> {
        Self::start_on(core, Host::Thread).await
    }

    /// Starts a node in the caller's runtime, which can then delay it. For tests that control the runtime's time.
    /// Dropping the last clone leaves the session in the store, like a crash.
    ///
    /// # Errors
    ///
    /// Like [`Verifier::start`].
    ///
    /// # Panics
    ///
    /// Like [`Verifier::start`].
    pub async fn start_in_runtime(core: &Core) -> Result<Self, StartError> {
        Self::start_on(core, Host::Runtime).await
    }

    async fn start_on(core: &Core, host: Host) -> Result<Self, StartError> {
        let (core, identity) = core.clone().claim().await?;
        let mut seed = [0; 8];
        core.random.fill(&mut seed)?;
        let node = Arc::new(Node::new(core, identity.id, u64::from_ne_bytes(seed)));
        let actor = Actor::start(Arc::clone(&node), host).await?;
        let count = Some(tokio::spawn(Arc::clone(&node).run_usage_flush()));
        let running = Arc::new(Running { actor, count });
        Ok(Self { node, running })
    }

    /// Verifies the text of a key: no I/O, no allocation, no lock.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] if the key is refused. Unknown, deleted and regenerated keys are all refused as
    /// [`VerifyError::Unknown`], in the same time.
    pub fn verify(&self, text: &[u8]) -> Result<Verified, VerifyError> {
        let verified = |environment, locator: &[u8; Locator::LENGTH], _: Live<'_>| {
            Some(Verified { environment, locator: Locator::new(*locator).ok()? })
        };
        self.search(text, verified).map_err(|refused| refused.refusal)
    }

    /// Verifies the text of a key and returns its principal. The index is searched once.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] if the key is refused. It names a revoked key to the caller, which may warn the key's owner but
    /// must not tell the sender.
    pub fn authenticate(&self, text: &[u8]) -> Result<Principal, VerifyError> {
        self.search(text, |_, _, live| live.identity()).map(Principal::of).map_err(|refused| match refused.unknown {
            Some(claim) => self.unknown(&claim),
            None => refused.refusal,
        })
    }

    fn search<'a, T>(
        &self,
        text: &'a [u8],
        take: impl Fn(Environment, &[u8; Locator::LENGTH], Live<'_>) -> Option<T>,
    ) -> Result<T, Refused<'a>> {
        // Read the lease first and the clock last: see the crate's documentation.
        let lease = self.node.lease.ends_at();
        if let Some(claim) = KeyCandidate::peek(self.prefix(), text) {
            let (locator, environment) = (claim.locator(), claim.environment());
            let found = self.look_up(lease, locator, environment, || claim.digest(), &take)?;
            // A text with the digest of an active key is that key. Only other texts are read further.
            if let Some(found) = found {
                return Ok(found);
            }
        }
        self.search_imported(lease, text, take)
    }

    fn look_up<T>(
        &self,
        lease: MonoInstant,
        locator: &[u8; Locator::LENGTH],
        environment: Environment,
        hash: impl FnOnce() -> Digest,
        take: impl Fn(Environment, &[u8; Locator::LENGTH], Live<'_>) -> Option<T>,
    ) -> Result<Option<T>, VerifyError> {
        let accepts = |is_held| match self.node.now_within(lease) {
            None => Err(Unaccepted::NotCurrent),
            Some(_) if is_held => Err(Unaccepted::Held),
            Some(now) => Ok(now),
        };
        let taken = |live: Live<'_>| take(environment, locator, live);
        match self.node.index.verify(locator, environment, hash, accepts, taken) {
            Ok(found) => Ok(found.flatten()),
            Err(Unaccepted::NotCurrent) => Err(VerifyError::NotCurrent),
            Err(Unaccepted::Held) => Err(self.held(locator)),
        }
    }

    /// Returns the refusal of an active secret that is held.
    #[cold]
    fn held(&self, locator: &[u8; Locator::LENGTH]) -> VerifyError {
        let identity = Locator::new(*locator).ok().and_then(|locator| self.node.index.identity(&locator));
        // Without a hold, it has ended at this moment. A second try tells.
        identity.and_then(|identity| VerifyError::of_held(&identity.live)).unwrap_or(VerifyError::NotCurrent)
    }

    /// Searches for the text among imported keys, unless the text has our own format. Returns its refusal if there is no such
    /// key. A malformed text needs no valid lease.
    #[cold]
    fn search_imported<'a, T>(
        &self,
        lease: MonoInstant,
        text: &'a [u8],
        take: impl Fn(Environment, &[u8; Locator::LENGTH], Live<'_>) -> Option<T>,
    ) -> Result<T, Refused<'a>> {
        let claim = match PresentedKey::parse(self.prefix(), text) {
            Ok(presented) => Claim::Own(presented),
            Err(fault) => {
                let mut digests = self.imported_digests(text).peekable();
                if digests.peek().is_none() {
                    return Err(VerifyError::Malformed(fault).into());
                }
                for digest in digests {
                    let locator = digest.locator();
                    // The text does not tell the environment. The stored record does.
                    for environment in Environment::ALL {
                        let hash = || digest.digest();
                        if let Some(found) = self.look_up(lease, locator.as_bytes(), environment, hash, &take)? {
                            return Ok(found);
                        }
                    }
                }
                Claim::Foreign(text)
            }
        };
        match self.node.now_within(lease) {
            None => Err(VerifyError::NotCurrent.into()),
            Some(_) => Err(Refused { refusal: VerifyError::Unknown, unknown: Some(claim) }),
        }
    }

    /// Returns the digests that a text may have among imported keys: none, if no imported key has such a form.
    pub(crate) fn imported_digests<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = ImportedDigest> + 'a {
        let foreign = || PresentedForeignKey::peek(self.prefix(), text);
        self.node.index.formats().filter_map(move |format| foreign()?.digest(format))
    }

    /// Returns the refusal of a well-formed key that is not active.
    #[cold]
    fn unknown(&self, claim: &Claim<'_>) -> VerifyError {
        let revoked = match claim {
            Claim::Own(presented) => self.node.revoked.find(presented.locator(), presented.digest()),
            Claim::Foreign(text) => {
                self.imported_digests(text).find_map(|digest| self.node.revoked.find(digest.locator(), digest.digest()))
            }
        };
        revoked.map_or(VerifyError::Unknown, VerifyError::Revoked)
    }

    /// Verifies the text of a key with one read of the store, and without trust in any clock. Use this if a virtual
    /// machine that is frozen and resumed must not accept a revoked key even for an instant.
    ///
    /// # Errors
    ///
    /// Fails like [`Verifier::authenticate`], and with [`VerifyError::NotCurrent`] if the store cannot be read.
    pub async fn authenticate_strictly(&self, text: &[u8]) -> Result<Principal, VerifyError> {
        let claim = match PresentedKey::parse(self.prefix(), text) {
            Ok(presented) => {
                let digest = presented.digest();
                let is_it = |live: &ActiveSecret| {
                    (live.secret.digest == digest) & (live.key.environment == presented.environment())
                };
                if let Some(principal) = self.read(presented.locator(), is_it).await? {
                    return Ok(principal);
                }
                Claim::Own(presented)
            }
            Err(fault) => {
                let digests: Vec<_> = self.imported_digests(text).collect();
                if digests.is_empty() {
                    return Err(VerifyError::Malformed(fault));
                }
                for digest in digests {
                    let is_it = |live: &ActiveSecret| live.secret.digest == digest.digest();
                    if let Some(principal) = self.read(digest.locator(), is_it).await? {
                        return Ok(principal);
                    }
                }
                Claim::Foreign(text)
            }
        };
        Err(self.unknown(&claim))
    }

    /// Reads the store's active secret with this locator, and counts its use if it is the presented one.
    async fn read(
        &self,
        locator: Locator,
        is_it: impl Fn(&ActiveSecret) -> bool,
    ) -> Result<Option<Principal>, VerifyError> {
        let answer = self.core().store.active_secret(locator).await;
        let live = answer.and_then(|live| live.proved(self.node.store)).map_err(|error| {
            tracing::warn!(error = describe(&error), "a strict verification could not read the store");
            VerifyError::NotCurrent
        })?;
        if self.is_stopped() || !self.node.store_is_intact() {
            return Err(VerifyError::NotCurrent);
        }
        Ok(match live.filter(is_it) {
            Some(live) => {
                if let Some(refusal) = VerifyError::of_held(&live) {
                    return Err(refusal);
                }
                self.node.index.restore_counts(&[(live.secret.locator, 1)]);
                Some(Principal::of(Arc::new(Identity { live })))
            }
            None => None,
        })
    }

    /// Counts a refused call with a revoked key, for the owner of the key. `from` is the sender's address.
    pub fn count_refusal(&self, revoked: &RevokedKey, from: Option<IpAddr>) {
        self.node.revoked.count_refusal(revoked.locator, self.core().clock.now(), from);
    }

    /// Returns the key that this text belongs to: an active key, or a key whose revocation this node saw. It counts no
    /// use, because it is for keys that were presented in the wrong place.
    #[must_use]
    pub fn knows(&self, presented: &PresentedKey<'_>) -> Option<KnownKey> {
        let is_it = |live: &ActiveSecret| {
            (live.secret.digest == presented.digest()) & (live.key.environment == presented.environment())
        };
        let live = self.node.index.identity(&presented.locator()).filter(|identity| is_it(&identity.live));
        live.map(|identity| KnownKey::from(&identity.live))
            .or_else(|| Some(self.node.revoked.find(presented.locator(), presented.digest())?.into()))
    }

    /// Returns false if the store has lost a change, as far as this node knows: no node serves until an operator has accepted
    /// the loss.
    #[must_use]
    pub fn is_store_intact(&self) -> bool {
        self.node.store_is_intact()
    }

    /// Returns true if this node knows that a production secret of the organization was revoked within this time.
    #[must_use]
    pub fn has_revoked_within(&self, organization: OrganizationId, time: Duration) -> bool {
        self.node.revoked.has_production_since(organization, self.core().clock.now() - time)
    }

    /// Returns the number of entries of an organization's list of allowed origins.
    #[cfg(feature = "origins")]
    #[must_use]
    pub fn allowed_origin_count(&self, organization: OrganizationId) -> usize {
        self.node.allow_list(organization).entries().len()
    }

    /// Returns up to `limit` organizations that need a hand: the rotation of the production key is due within `lead`, or a next
    /// key has been staged for longer than [`LONG_STAGED`]. The oldest secret comes first.
    #[must_use]
    pub fn organizations_to_rotate(&self, lead: Duration, limit: usize) -> Vec<(OrganizationId, Name)> {
        let now = self.core().clock.now();
        let mut found =
            self.node.index.oldest_production_secrets((now + lead - ROTATION_PERIOD, now - LONG_STAGED), limit);
        found.sort_by_key(|found| found.live.secret.created_at);
        let mut seen = HashSet::new();
        let organizations =
            found.iter().map(|found| (found.live.key.organization, found.live.organization_name.clone()));
        organizations.filter(|(organization, _)| seen.insert(*organization)).take(limit).collect()
    }

    /// Returns the number of production keys whose current secret has at least this age, and the organization and
    /// creation time of the oldest secret.
    ///
    /// The answer takes less than a millisecond at ten million keys. No verification waits for it.
    #[must_use]
    pub fn production_keys_older_than(&self, age: Duration) -> (u64, Option<(OrganizationId, Timestamp)>) {
        let (count, oldest) = self.node.index.production_secrets_until(self.core().clock.now() - age);
        (count, oldest.map(|oldest| (oldest.live.key.organization, oldest.live.secret.created_at)))
    }

    /// Returns the number of bytes that a verification may touch: the index with its usage counters. The names and ids
    /// of a [`Principal`] are stored separately, about 230 bytes for each key.
    #[must_use]
    pub fn index_bytes(&self) -> usize {
        self.node.index.bytes()
    }

    /// Returns true if this node can prove now that it is current.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.node.lease_left().is_some()
    }

    /// Returns the time until this node's lease ends, unless the node reads the store before: then every verification is
    /// refused as [`VerifyError::NotCurrent`]. Returns `None` if the lease has ended.
    #[must_use]
    pub fn lease_left(&self) -> Option<Duration> {
        self.node.lease_left()
    }

    /// Returns the time since this node last read the store with success. A healthy node reads the store many times a
    /// second.
    #[must_use]
    pub fn poll_age(&self) -> Duration {
        self.node.poll_age()
    }

    /// Returns the prefix of this service's keys.
    #[must_use]
    pub fn prefix(&self) -> &KeyPrefix {
        &self.node.core.prefix
    }

    /// Returns the node's core.
    #[must_use]
    pub fn core(&self) -> &Core {
        &self.node.core
    }

    /// Stops verifying, writes the counted uses and refusals, and removes the session from the store, so that no writer waits for
    /// it.
    pub async fn stop(&self) {
        self.running.actor.stop().await;
        self.node.flush_counts().await;
    }

    /// Returns true if [`Verifier::stop`] was called.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.control().is_stopped()
    }

    pub(crate) fn control(&self) -> &Arc<Control> {
        self.running.actor.control()
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("current", &self.is_current()).finish_non_exhaustive()
    }
}

/// The reason why the search does not accept a live secret. The index cannot be read again before the search ends.
enum Unaccepted {
    Held,
    NotCurrent,
}

/// The public facts of a verified key that the search itself reads. [`Verifier::authenticate`] returns the others.
#[derive(Clone, Copy, Debug)]
pub struct Verified {
    environment: Environment,
    locator: Locator,
}

impl Verified {
    /// Returns the environment of the stored record.
    #[must_use]
    pub const fn environment(&self) -> Environment {
        self.environment
    }

    /// Returns the public part of the presented secret.
    #[must_use]
    pub const fn locator(&self) -> Locator {
        self.locator
    }
}
