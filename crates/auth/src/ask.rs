use doorward_audit::Attribution;
use doorward_store::IdempotencyKey;
use doorward_types::Name;

/// Who asks for a change, and whether it is a repeat.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Who, and from where.
    pub attribution: Attribution,
    /// What the client calls this request, where it wants a repeat to change nothing.
    pub idempotency_key: Option<IdempotencyKey>,
}

impl Ask {
    /// Someone on this machine asks, once.
    #[must_use]
    pub const fn local(actor: Name) -> Self {
        Self { attribution: Attribution::local(actor), idempotency_key: None }
    }
}
