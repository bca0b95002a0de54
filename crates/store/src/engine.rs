use crate::{AuditLog, KeyStore, LostChangeStore, NodeRegistry, SignIns, UsageLog};

/// The choice when no store exists.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OpenMode {
    /// Create the store.
    Create,
    /// Fail.
    Existing,
}

/// The parts of an engine that the core needs to verify, issue, rotate and delete keys.
pub trait KeyEngine: KeyStore + NodeRegistry + 'static {}

impl<S: KeyStore + NodeRegistry + 'static> KeyEngine for S {}

/// The parts of an engine that the management of keys needs: also operators, audit logs and counts of uses.
pub trait ManagementEngine: KeyEngine + UsageLog + AuditLog + SignIns + LostChangeStore {}

impl<S: KeyEngine + UsageLog + AuditLog + SignIns + LostChangeStore> ManagementEngine for S {}
