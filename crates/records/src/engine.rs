use doorward_store::copy::Rows;
use doorward_store::{KeyEngine, Outbox};

use crate::{Connector, Credential, LinkSessions, RegisteredUser, Revocations, Sealing, Table, ToolCalls};

/// Everything that the server needs of an engine: that of the core, the outbox, and the records of an environment.
pub trait Store:
    KeyEngine
    + Outbox
    + Table<RegisteredUser>
    + Table<Connector>
    + Table<Credential>
    + LinkSessions
    + Revocations
    + Sealing
    + ToolCalls
{
}

impl<S> Store for S where
    S: KeyEngine
        + Outbox
        + Table<RegisteredUser>
        + Table<Connector>
        + Table<Credential>
        + LinkSessions
        + Revocations
        + Sealing
        + ToolCalls
{
}

/// What keeps a store in a database: all of [`Store`], and a way to move it elsewhere.
pub trait Engine: Store + Rows {}

impl<S> Engine for S where S: Store + Rows {}
