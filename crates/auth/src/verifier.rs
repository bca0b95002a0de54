use std::fmt;
use std::sync::Arc;

use doorward_key::{KeyPrefix, PresentedKey};
use doorward_store::Scope;
use doorward_types::{AccessKeyId, Environment, OrganizationId};

use crate::index::Candidate;
use crate::node::Node;
use crate::principal::Identity;
use crate::{Core, Principal, Refusal, StartError};

/// A node that verifies from memory. Cheap to clone: clones are the same node.
///
/// It keeps itself current in a task of its own. When the last clone is dropped, or after [`Verifier::stop`], it verifies
/// nothing any more.
#[derive(Clone)]
pub struct Verifier {
    node: Arc<Node>,
    _task: Arc<AbortOnDrop>,
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Verifier {
    /// Registers a session, loads every live secret, and starts to keep it all current.
    ///
    /// # Errors
    ///
    /// Where the store fails, or there is no randomness for the session's id.
    pub async fn start(core: &Core) -> Result<Self, StartError> {
        let node = Arc::new(Node::start(core).await?);
        let task = tokio::spawn(Arc::clone(&node).stay_current());
        Ok(Self { node, _task: Arc::new(AbortOnDrop(task.abort_handle())) })
    }

    /// Verifies the text of a key: no I/O, no allocation, no lock.
    ///
    /// # Errors
    ///
    /// [`Refusal`]. Which of unknown, deleted and regenerated it was is not told, and takes the same time.
    pub fn verify(&self, text: &[u8]) -> Result<Verified, Refusal> {
        // The lease first, the clock last: see the crate's documentation.
        let lease = self.node.lease();
        let presented = PresentedKey::parse(self.prefix(), text)?;
        let candidate = self.node.index().find(&presented.locator());
        let live = candidate.is(&presented.digest(), presented.environment());
        if !self.node.is_within(lease) {
            return Err(Refusal::NotCurrent);
        }
        match candidate.identity() {
            Some(_) if live => Ok(Verified { candidate }),
            _ => Err(Refusal::Unknown),
        }
    }

    /// Whether this node can prove at this moment that what it knows is current.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.node.is_within(self.node.lease())
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

    /// Stops verifying, and takes the session out of the store, so that no writer waits for it.
    pub async fn stop(&self) {
        self.node.stop().await;
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

/// A verified key, without a copy of what is known about it. Turn it into a [`Principal`] to keep it.
pub struct Verified {
    candidate: Candidate,
}

impl Verified {
    #[expect(clippy::expect_used, reason = "`verify` makes none without an identity")]
    fn identity(&self) -> &Arc<Identity> {
        self.candidate.identity().expect("a verified key has an identity")
    }

    /// The way to the data of this key's organization and environment.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.identity().scope()
    }

    /// The environment, as the stored record has it.
    #[must_use]
    pub fn environment(&self) -> Environment {
        self.identity().live.key.environment
    }

    /// The organization.
    #[must_use]
    pub fn organization_id(&self) -> OrganizationId {
        self.identity().live.key.organization
    }

    /// The key.
    #[must_use]
    pub fn key_id(&self) -> AccessKeyId {
        self.identity().live.key.id
    }

    /// Who the key speaks for, to be kept and handed on.
    #[must_use]
    pub fn into_principal(self) -> Principal {
        Principal::of(Arc::clone(self.identity()))
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").field("key", &self.key_id()).finish_non_exhaustive()
    }
}
