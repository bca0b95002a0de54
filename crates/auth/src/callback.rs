//! The check of a callback's URL against an organization's list.

use doorward_origin::{AllowedOrigin, OriginError};
use doorward_types::OrganizationId;

use crate::Verifier;

/// The reason why a callback may not go to a URL.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CallbackError {
    /// This node cannot prove that it is current. The URL may be allowed or not.
    #[error("this node cannot prove that it is up to date")]
    NotCurrent,
    /// The URL's origin is not on the list, or no list can have it.
    #[error(transparent)]
    Refused(#[from] OriginError),
}

impl Verifier {
    /// Checks that a callback of this organization may go to a URL. It reads memory without I/O, and is as current as a
    /// verification.
    ///
    /// # Errors
    ///
    /// [`CallbackError`], with a reason for people.
    pub fn check_origin(&self, organization: OrganizationId, url: &str) -> Result<AllowedOrigin, CallbackError> {
        // Read the lease first and the clock last: see the crate's documentation.
        let lease = self.node.lease.ends_at();
        let checked = self.node.allow_list(organization).check(url);
        match self.node.now_within(lease) {
            Some(_) => Ok(checked?),
            None => Err(CallbackError::NotCurrent),
        }
    }
}
