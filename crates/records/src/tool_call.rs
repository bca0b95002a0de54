//! Tool calls: what was done through MCP, kept beside the data that it was done to.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use doorward_types::{AccessKeyId, Name, RegisteredUserId, Timestamp, ToolCallId};

use doorward_store::{Page, Scope, StoreError};

use crate::ConnectorName;

/// How long a tool call is kept.
pub const TOOL_CALLS_KEPT: Duration = Duration::from_hours(90 * 24);

/// One call of a tool. What was said and answered is not in it: either may be secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ToolCall {
    /// Names it for ever.
    pub id: ToolCallId,
    /// The tool: one of ours, or of the connector.
    pub tool: Name,
    /// Whose tool it is; none for one of ours.
    pub connector: Option<ConnectorName>,
    /// For whom it was called. The call stays when the user goes.
    pub registered_user: Option<RegisteredUserId>,
    /// By which access key.
    pub access_key: AccessKeyId,
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended; none while it is under way, or where the server went away in the middle.
    pub ended_at: Option<Timestamp>,
    /// What came of it.
    pub outcome: ToolOutcome,
}

/// What came of a tool call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ToolOutcome {
    /// Not known, or not yet.
    Unfinished,
    /// The tool said that it did what it was asked.
    Succeeded,
    /// The tool said that it did not.
    Failed,
}

impl ToolOutcome {
    /// As it stands in tables and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unfinished => "unfinished",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for ToolOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ToolOutcome {
    type Err = UnknownOutcome;

    fn from_str(text: &str) -> Result<Self, UnknownOutcome> {
        let all = [Self::Unfinished, Self::Succeeded, Self::Failed];
        all.into_iter().find(|outcome| outcome.as_str() == text).ok_or(UnknownOutcome)
    }
}

/// The text names no outcome.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no such outcome of a tool call")]
pub struct UnknownOutcome;

/// Tool calls of one environment.
#[async_trait]
pub trait ToolCalls: Send + Sync {
    /// Notes that a call begins, and lets a few go that are older than [`TOOL_CALLS_KEPT`].
    async fn begin_tool_call(&self, scope: &Scope, call: ToolCall) -> Result<(), StoreError>;

    /// Notes how a call ended: `call.registered_user`, `call.ended_at` and `call.outcome`; [`StoreError::Missing`] where it
    /// did not begin in this scope.
    async fn end_tool_call(&self, scope: &Scope, call: ToolCall) -> Result<(), StoreError>;

    /// The calls of this scope, or those for one user, newest first.
    async fn tool_calls(
        &self,
        scope: &Scope,
        registered_user: Option<RegisteredUserId>,
        page: Page<ToolCallId>,
    ) -> Result<Vec<ToolCall>, StoreError>;
}

/// The most calls that one that begins lets go of: more than one, so that there are fewer and fewer.
pub const TOOL_CALLS_LET_GO: u32 = 4;
