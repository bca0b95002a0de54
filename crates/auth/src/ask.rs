use doorward_audit::Attribution;
use doorward_store::IdempotencyKey;
use doorward_types::{Locator, Name};

/// Who asks for a change, and whether it is a repeat.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Who, and from where.
    pub attribution: Attribution,
    /// What the client calls this request, where it wants a repeat to change nothing.
    pub idempotency_key: Option<IdempotencyKey>,
    /// The secrets that the production key had when whoever asks last looked at it, the current one first, where a change of
    /// what it has become since is not wanted.
    pub seen: Option<Vec<Locator>>,
}

impl Ask {
    /// Someone on this machine asks, once.
    #[must_use]
    pub const fn local(actor: Name) -> Self {
        Self { attribution: Attribution::local(actor), idempotency_key: None, seen: None }
    }
}
