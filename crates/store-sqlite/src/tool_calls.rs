//! Calls of tools through MCP.

use async_trait::async_trait;
use doorward_records::{ToolCall, ToolCalls};
use doorward_store::{Page, Scope, StoreError};
use doorward_store_sql::data;
use doorward_types::{RegisteredUserId, ToolCallId};

use crate::{SqliteStore, row};

#[async_trait]
impl ToolCalls for SqliteStore {
    async fn begin_tool_call(&self, scope: &Scope, call: ToolCall) -> Result<(), StoreError> {
        let (go, begin) = (data::let_tool_calls_go(scope, &call), data::begin_tool_call(scope, &call));
        self.write(move |connection| row::write_all(connection, &[go, begin])).await
    }

    async fn end_tool_call(&self, scope: &Scope, call: ToolCall) -> Result<(), StoreError> {
        self.write_one(data::end_tool_call(scope, &call)).await
    }

    async fn tool_calls(
        &self,
        scope: &Scope,
        registered_user: Option<RegisteredUserId>,
        page: Page<ToolCallId>,
    ) -> Result<Vec<ToolCall>, StoreError> {
        self.list(data::tool_calls(scope, registered_user, &page)).await
    }
}
