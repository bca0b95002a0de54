use std::fmt;
use std::time::Duration;

use doorward_store::Revision;
use serde::{Serialize, Serializer};

/// The proof that a change is in effect on every node. Only a change that has waited for the nodes makes a receipt.
///
/// ```compile_fail
/// # use std::time::Duration;
/// # use doorward_auth::{Nodes, Receipt};
/// # fn forge(nodes: Nodes) -> Receipt {
/// Receipt { revision: doorward_store::Revision(7), waited: Duration::ZERO, nodes }
/// # }
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Receipt {
    revision: Revision,
    waited: Duration,
    nodes: Nodes,
}

impl Receipt {
    /// Makes a receipt. Call it only after the wait.
    pub(crate) const fn assertion(revision: Revision, waited: Duration, nodes: Nodes) -> Self {
        Self { revision, waited, nodes }
    }

    /// Returns the change's number.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// Returns the time from the commit until the change was in effect.
    #[must_use]
    pub const fn waited(&self) -> Duration {
        self.waited
    }

    /// Returns the number of nodes by the way each was confirmed.
    #[must_use]
    pub const fn nodes(&self) -> Nodes {
        self.nodes
    }
}

/// The number of nodes by the way each was confirmed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Nodes {
    /// The nodes that acknowledged the change.
    pub acknowledged: u32,
    /// The nodes that kept silent until their lease had ended. They serve nothing until they have caught up.
    pub expired: u32,
}

impl Serialize for Receipt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct ReceiptDocument {
            revision: u64,
            effective: &'static str,
            waited_ms: u64,
            nodes: Nodes,
        }
        let waited_ms = u64::try_from(self.waited.as_millis()).unwrap_or(u64::MAX);
        ReceiptDocument { revision: self.revision.0, effective: "everywhere", waited_ms, nodes: self.nodes }
            .serialize(serializer)
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Effective everywhere after {} ms: {}", self.waited.as_millis(), self.nodes)
    }
}

impl fmt::Display for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count| if count == 1 { "" } else { "s" };
        let Self { acknowledged, expired } = *self;
        write!(f, "{acknowledged} node{} acknowledged", plural(acknowledged))?;
        if expired > 0 {
            write!(f, ", {expired} kept silent until {} lease ran out", if expired == 1 { "its" } else { "their" })?;
        }
        f.write_str(".")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_what_happened() {
        let receipt = |acknowledged, expired| {
            Receipt::assertion(Revision(7), Duration::from_millis(31), Nodes { acknowledged, expired })
        };
        assert_eq!(receipt(2, 0).to_string(), "Effective everywhere after 31 ms: 2 nodes acknowledged.");
        assert_eq!(
            receipt(1, 1).to_string(),
            "Effective everywhere after 31 ms: 1 node acknowledged, 1 kept silent until its lease ran out."
        );
    }
}
