use doorward_store::copy::Rows;
use doorward_store::{ManagementEngine, Outbox};

use crate::{Connector, Credential, Erasure, LinkSessions, RegisteredUser, Revocations, Sealing, Table, ToolCalls};

/// The parts of an engine that the server needs: the management of keys, the outbox, and the records of an environment.
pub trait Store:
    ManagementEngine
    + Outbox
    + Table<RegisteredUser>
    + Table<Connector>
    + Table<Credential>
    + LinkSessions
    + Revocations
    + Sealing
    + ToolCalls
    + Erasure
{
}

impl<S> Store for S where
    S: ManagementEngine
        + Outbox
        + Table<RegisteredUser>
        + Table<Connector>
        + Table<Credential>
        + LinkSessions
        + Revocations
        + Sealing
        + ToolCalls
        + Erasure
{
}

/// An engine with all of [`Store`], whose content can be copied to another engine.
pub trait Engine: Store + Rows {}

impl<S> Engine for S where S: Store + Rows {}
