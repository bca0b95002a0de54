//! What was done through MCP.

use async_trait::async_trait;
use doorward_store::{ConnectorName, Page, Scope, StoreError, TOOL_CALLS_KEPT, TOOL_CALLS_LET_GO, ToolCall, ToolCalls};
use doorward_types::{RegisteredUserId, Timestamp, ToolCallId};
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::row::{self, number, text};
use crate::tables::place;

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
        let (organization, environment) = place(scope);
        let (kept, few) = ((call.began_at - TOOL_CALLS_KEPT).as_millis(), i64::from(TOOL_CALLS_LET_GO));
        // Two statements and no transaction: either is right without the other.
        self.execute(LET_GO, &[text(&organization), text(&environment), number(&kept), number(&few)]).await?;
        let (id, tool, access_key) = (call.id.to_string(), call.tool.as_str(), call.access_key.to_string());
        let connector = call.connector.as_ref().map(ConnectorName::as_str);
        let user = call.registered_user.map(|user| user.to_string());
        let (began_at, ended_at) = (call.began_at.as_millis(), call.ended_at.map(Timestamp::as_millis));
        let outcome = call.outcome.as_str();
        let params = [
            text(&organization),
            text(&environment),
            text(&id),
            text(&tool),
            text(&connector),
            text(&user),
            text(&access_key),
            number(&began_at),
            number(&ended_at),
            text(&outcome),
        ];
        self.execute(INSERT, &params).await.map(drop)
    }

    async fn end_tool_call(&self, scope: &Scope, call: ToolCall) -> Result<(), StoreError> {
        let ((organization, environment), id) = (place(scope), call.id.to_string());
        let user = call.registered_user.map(|user| user.to_string());
        let (ended_at, outcome) = (call.ended_at.map(Timestamp::as_millis), call.outcome.as_str());
        let sql = "UPDATE tool_calls SET registered_user = $4, ended_at = $5, outcome = $6
                   WHERE organization = $1 AND environment = $2 AND id = $3";
        let params =
            [text(&organization), text(&environment), text(&id), text(&user), number(&ended_at), text(&outcome)];
        if self.execute(sql, &params).await? == 1 { Ok(()) } else { Err(StoreError::Missing) }
    }

    async fn tool_calls(
        &self,
        scope: &Scope,
        registered_user: Option<RegisteredUserId>,
        page: Page<ToolCallId>,
    ) -> Result<Vec<ToolCall>, StoreError> {
        let ((organization, environment), after) = (place(scope), page.after.map(|id| id.to_string()));
        let (user, limit) = (registered_user.map(|user| user.to_string()), i64::from(page.limit));
        let whose = if registered_user.is_some() { "registered_user = $3" } else { "$3 IS NULL" };
        let sql = format!(
            "SELECT id, tool, connector, registered_user, access_key, began_at, ended_at, outcome FROM tool_calls
             WHERE organization = $1 AND environment = $2 AND {whose} AND ($4 IS NULL OR id < $4)
             ORDER BY id DESC LIMIT $5"
        );
        let params = [text(&organization), text(&environment), text(&user), text(&after), number(&limit)];
        self.query(&sql, &params).await?.iter().map(tool_call).collect()
    }
}
