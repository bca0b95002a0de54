//! Calls of tools through MCP.

use async_trait::async_trait;
use doorward_store::{ConnectorName, Page, Scope, StoreError, TOOL_CALLS_KEPT, TOOL_CALLS_LET_GO, ToolCall, ToolCalls};
use doorward_types::{RegisteredUserId, Timestamp, ToolCallId};
use tokio_postgres::Row;

use crate::statement::of_scope;
use crate::{PostgresStore, row};

const INSERT: &str =
    "INSERT INTO tool_calls (organization, environment, id, tool, connector, registered_user, access_key,
                          began_at, ended_at, outcome)
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

/// Ids sort by age, so that the oldest are found without an index of times.
const LET_GO: &str = "DELETE FROM tool_calls
                      WHERE organization = $1 AND environment = $2 AND began_at < $3 AND id IN (
                          SELECT id FROM tool_calls WHERE organization = $1 AND environment = $2 ORDER BY id LIMIT $4
                      )";

fn tool_call(row: &Row) -> Result<ToolCall, StoreError> {
    Ok(ToolCall {
        id: row::parsed(row, 0)?,
        tool: row::parsed(row, 1)?,
        connector: row::parsed_option(row, 2)?,
        registered_user: row::parsed_option(row, 3)?,
        access_key: row::parsed(row, 4)?,
        began_at: row::timestamp(row, 5)?,
        ended_at: row::get::<Option<i64>>(row, 6)?.map(Timestamp::from_millis),
        outcome: row::parsed(row, 7)?,
    })
}

#[async_trait]
impl ToolCalls for PostgresStore {
    async fn begin_tool_call(&self, scope: &Scope, call: ToolCall) -> Result<(), StoreError> {
        let kept = (call.began_at - TOOL_CALLS_KEPT).as_millis();
        // Two statements and no transaction: either is right without the other.
        self.execute(of_scope(LET_GO, scope).number(kept).number(i64::from(TOOL_CALLS_LET_GO))).await?;
        let insert = of_scope(INSERT, scope).text(call.id).text(call.tool.as_str());
        let insert = insert.text_or_null(call.connector.as_ref().map(ConnectorName::as_str));
        let insert = insert.text_or_null(call.registered_user).text(call.access_key).number(call.began_at.as_millis());
        let insert = insert.number_or_null(call.ended_at.map(Timestamp::as_millis)).text(call.outcome.as_str());
        self.execute(insert).await.map(drop)
    }

    async fn end_tool_call(&self, scope: &Scope, call: ToolCall) -> Result<(), StoreError> {
        let end = "UPDATE tool_calls SET registered_user = $4, ended_at = $5, outcome = $6
                   WHERE organization = $1 AND environment = $2 AND id = $3";
        let end = of_scope(end, scope).text(call.id).text_or_null(call.registered_user);
        let end = end.number_or_null(call.ended_at.map(Timestamp::as_millis)).text(call.outcome.as_str());
        if self.execute(end).await? == 1 { Ok(()) } else { Err(StoreError::Missing) }
    }

    async fn tool_calls(
        &self,
        scope: &Scope,
        registered_user: Option<RegisteredUserId>,
        page: Page<ToolCallId>,
    ) -> Result<Vec<ToolCall>, StoreError> {
        let whose = if registered_user.is_some() { "registered_user = $3" } else { "$3 IS NULL" };
        let list = format!(
            "SELECT id, tool, connector, registered_user, access_key, began_at, ended_at, outcome FROM tool_calls
             WHERE organization = $1 AND environment = $2 AND {whose} AND ($4 IS NULL OR id < $4)
             ORDER BY id DESC LIMIT $5"
        );
        let list = of_scope(list, scope).text_or_null(registered_user).text_or_null(page.after);
        self.query(list.number(i64::from(page.limit))).await?.iter().map(tool_call).collect()
    }
}
