use crate::{AuditLog, KeyStore, LostChangeStore, NodeRegistry, SignIns, UsageLog};

/// The choice when no store exists.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OpenMode {
    /// Create the store. Migrate an existing store, unless the caller chooses otherwise by [`OpenMode::with_migration`].
    Create,
    /// Fail. Fail also if the store needs a migration, unless the caller chooses otherwise.
    Existing,
}

/// The choice when an older program made the store, so that its schema lacks something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Migration {
    /// Migrate the store. Programs of the release before go on using it.
    Always,
    /// Migrate the store if no node runs on it. Fail with [`StoreError::OlderSchema`](crate::StoreError::OlderSchema)
    /// otherwise.
    IfAlone,
    /// Fail with [`StoreError::OlderSchema`](crate::StoreError::OlderSchema).
    Never,
    /// Open the store as it is. Only a backup is sure to work.
    Skip,
}

/// The choices at the opening of a store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Opening {
    /// The choice when no store exists.
    pub mode: OpenMode,
    /// The choice when the store's schema is older than the program.
    pub migration: Migration,
}

impl OpenMode {
    /// Chooses what happens to a store of an older program.
    #[must_use]
    pub const fn with_migration(self, migration: Migration) -> Opening {
        Opening { mode: self, migration }
    }
}

impl From<OpenMode> for Opening {
    fn from(mode: OpenMode) -> Self {
        match mode {
            OpenMode::Create => mode.with_migration(Migration::Always),
            OpenMode::Existing => mode.with_migration(Migration::Never),
        }
    }
}

/// The version of a store's schema: the number of its migrations.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SchemaState {
    /// The store's version.
    pub found: u64,
    /// The newest version that this program knows, and the oldest that it can work with.
    pub needed: u64,
    /// The version that a program must at least know to use the store.
    pub oldest: u64,
}

impl SchemaState {
    /// Returns the state of a store.
    #[must_use]
    pub const fn new(found: u64, needed: u64, oldest: u64) -> Self {
        Self { found, needed, oldest }
    }

    /// Returns the number of migrations that the store lacks.
    #[must_use]
    pub const fn missing(&self) -> u64 {
        self.needed.saturating_sub(self.found)
    }
}

/// The parts of an engine that the core needs to verify, issue, rotate and delete keys.
pub trait KeyEngine: KeyStore + NodeRegistry + 'static {}

impl<S: KeyStore + NodeRegistry + 'static> KeyEngine for S {}

/// The parts of an engine that the management of keys needs: also operators, audit logs and counts of uses.
pub trait ManagementEngine: KeyEngine + UsageLog + AuditLog + SignIns + LostChangeStore {}

impl<S: KeyEngine + UsageLog + AuditLog + SignIns + LostChangeStore> ManagementEngine for S {}
