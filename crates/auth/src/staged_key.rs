/// The treatment of the staged secret in a regeneration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StagedKey {
    /// Revoke it with the current secret, because it may have leaked too. A fresh secret replaces both.
    Discard,
    /// Promote it to the current secret. If no secret is staged, a fresh secret becomes current.
    Promote,
}

impl StagedKey {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Discard => "discard",
            Self::Promote => "promote",
        }
    }
}
