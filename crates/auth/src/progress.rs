use std::sync::Arc;

use doorward_key::ShownOnce;
use doorward_types::debug_as;

/// A moment in the course of a change.
#[derive(Debug)]
#[non_exhaustive]
pub enum ChangeProgress<'a> {
    /// The store is asked to commit the change. From now on, the change may be made, even if the program ends.
    Committing,
    /// The change is committed. It takes effect on every node, even if the program ends before it sees that.
    #[non_exhaustive]
    Committed {
        /// The id of the changed record, as audit events name it.
        subject: &'a str,
        /// The value of the change's new secret, if there is one: the only copy.
        value: Option<&'a ShownOnce>,
    },
}

/// The function that hears of an issuer's changes.
#[derive(Clone)]
pub(crate) struct Listener(Arc<dyn Fn(&ChangeProgress<'_>) + Send + Sync>);

debug_as!(Listener, "Listener(…)");

impl Listener {
    pub(crate) fn new(listener: impl Fn(&ChangeProgress<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    pub(crate) fn hear(&self, progress: &ChangeProgress<'_>) {
        (self.0)(progress);
    }
}
