//! The changes after a restore, and the outcome of each.

use doorward::auth::Receipt;
use doorward::auth::restore::{KilledKey, Restored};

/// The outcome of each change, in the order of the findings; as many as were tried.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) restored: Option<Restored>,
    pub(super) keys: Vec<Result<KilledKey, String>>,
    pub(super) operators: Vec<Result<(), String>>,
    pub(super) passkeys: Vec<Result<(), String>>,
    pub(super) origins: Vec<Result<Receipt, String>>,
    pub(super) organizations: Vec<Result<Receipt, String>>,
}

impl Done {
    /// Returns how many of the changes were not made.
    pub(super) fn failures(&self) -> usize {
        let keys = self.keys.iter().filter(|done| done.is_err()).count();
        let operators = self.operators.iter().chain(&self.passkeys).filter(|done| done.is_err()).count();
        let others = self.origins.iter().chain(&self.organizations);
        keys + operators + others.filter(|done| done.is_err()).count()
    }
}
