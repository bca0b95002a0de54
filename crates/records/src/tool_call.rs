//! Tool calls through MCP, stored in the scope of their data.

use std::time::Duration;

use async_trait::async_trait;
use doorward_types::{AccessKeyId, Name, RegisteredUserId, Timestamp, ToolCallId, words};

use doorward_store::{Page, Scope, StoreError};

use crate::ConnectorName;

/// The time for which a tool call is kept.
pub const TOOL_CALL_RETENTION: Duration = Duration::from_hours(90 * 24);

/// One call of a tool. Its arguments and its result are not stored, because they may be secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ToolCall {
    /// The permanent id.
    pub id: ToolCallId,
    /// The tool, either Doorward's own or the connector's.
    pub tool: Name,
    /// The connector of the tool, or `None` for Doorward's own tools.
    pub connector: Option<ConnectorName>,
    /// The user of the call. Deleting the user does not delete the call.
    pub registered_user: Option<RegisteredUserId>,
    /// The access key of the caller.
    pub access_key: AccessKeyId,
    /// The start time.
    pub began_at: Timestamp,
    /// The end time. `None` while the call runs, or if the server stopped during the call.
    pub ended_at: Option<Timestamp>,
    /// The outcome.
    pub outcome: ToolOutcome,
}

/// The outcome of a tool call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ToolOutcome {
    /// The outcome is not known, or not yet.
    Unfinished,
    /// The tool reported success.
    Succeeded,
    /// The tool reported a failure.
    Failed,
}

words! {
    ToolOutcome, "unknown outcome of a tool call":
    Unfinished = "unfinished", Succeeded = "succeeded", Failed = "failed"
}

/// Tool calls of one environment.
#[async_trait]
pub trait ToolCalls: Send + Sync {
    /// Records the start of a call, and deletes a few calls that are older than [`TOOL_CALL_RETENTION`].
    async fn begin_tool_call(&self, scope: &Scope, call: ToolCall) -> Result<(), StoreError>;

    /// Records the end of a call: `call.registered_user`, `call.ended_at` and `call.outcome`. Fails with
    /// [`StoreError::NotFound`] if this scope has no such call.
    async fn end_tool_call(&self, scope: &Scope, call: ToolCall) -> Result<(), StoreError>;

    /// Returns the calls of this scope, newest first, of all users or of one user.
    async fn tool_calls(
        &self,
        scope: &Scope,
        registered_user: Option<RegisteredUserId>,
        page: Page<ToolCallId>,
    ) -> Result<Vec<ToolCall>, StoreError>;
}

/// The maximum number of expired calls that a new call deletes: more than one, so that a backlog shrinks.
pub const TOOL_CALL_PURGE_BATCH: u32 = 4;
