//! Calls of tools through MCP.

use async_trait::async_trait;
use doorward_store::{ConnectorName, Page, Scope, StoreError, TOOL_CALLS_KEPT, TOOL_CALLS_LET_GO, ToolCall, ToolCalls};
use doorward_types::{RegisteredUserId, Timestamp, ToolCallId};
use rusqlite::{Row, params};

use crate::error::{of_read, of_write, unavailable};
use crate::tables::place;
use crate::{SqliteStore, row};

const INSERT: &str =
    "INSERT INTO tool_calls (organization, environment, id, tool, connector, registered_user, access_key,
                          began_at, ended_at, outcome)
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

/// Ids sort by age, so that the oldest are found without an index of times.
const LET_GO: &str = "DELETE FROM tool_calls
                      WHERE organization = ?1 AND environment = ?2 AND began_at < ?3 AND id IN (
                          SELECT id FROM tool_calls WHERE organization = ?1 AND environment = ?2 ORDER BY id LIMIT ?4
                      )";

fn tool_call(row: &Row<'_>) -> rusqlite::Result<ToolCall> {
    Ok(ToolCall {
        id: row::parsed(row, 0)?,
        tool: row::parsed(row, 1)?,
        connector: row::parsed_option(row, 2)?,
        registered_user: row::parsed_option(row, 3)?,
        access_key: row::parsed(row, 4)?,
        began_at: row::timestamp(row, 5)?,
        ended_at: row.get::<_, Option<i64>>(6)?.map(Timestamp::from_millis),
        outcome: row::parsed(row, 7)?,
    })
}

#[async_trait]
impl ToolCalls for SqliteStore {
    async fn begin_tool_call(&self, scope: &Scope, call: ToolCall) -> Result<(), StoreError> {
        let (organization, environment) = place(scope);
        self.write(move |connection| {
            let kept = (call.began_at - TOOL_CALLS_KEPT).as_millis();
            connection
                .prepare_cached(LET_GO)
                .and_then(|mut go| go.execute(params![organization, environment, kept, TOOL_CALLS_LET_GO]))
                .map_err(of_write)?;
            let ToolCall { id, tool, connector, registered_user, access_key, began_at, ended_at, outcome } = call;
            let call = params![
                organization,
                environment,
                id.to_string(),
                tool.as_str(),
                connector.as_ref().map(ConnectorName::as_str),
                registered_user.map(|user| user.to_string()),
                access_key.to_string(),
                began_at.as_millis(),
                ended_at.map(Timestamp::as_millis),
                outcome.as_str(),
            ];
            connection.prepare_cached(INSERT).and_then(|mut insert| insert.execute(call)).map(drop).map_err(of_write)
        })
        .await
    }

    async fn end_tool_call(&self, scope: &Scope, call: ToolCall) -> Result<(), StoreError> {
        let (organization, environment) = place(scope);
        self.write(move |connection| {
            let mut end = connection
                .prepare_cached(
                    "UPDATE tool_calls SET registered_user = ?4, ended_at = ?5, outcome = ?6
                     WHERE organization = ?1 AND environment = ?2 AND id = ?3",
                )
                .map_err(unavailable)?;
            let ended = end.execute(params![
                organization,
                environment,
                call.id.to_string(),
                call.registered_user.map(|user| user.to_string()),
                call.ended_at.map(Timestamp::as_millis),
                call.outcome.as_str(),
            ]);
            if ended.map_err(of_write)? == 1 { Ok(()) } else { Err(StoreError::Missing) }
        })
        .await
    }

    async fn tool_calls(
        &self,
        scope: &Scope,
        registered_user: Option<RegisteredUserId>,
        page: Page<ToolCallId>,
    ) -> Result<Vec<ToolCall>, StoreError> {
        let ((organization, environment), after) = (place(scope), page.after.map(|id| id.to_string()));
        let whose = if registered_user.is_some() { "registered_user = ?3" } else { "?3 IS NULL" };
        let sql = format!(
            "SELECT id, tool, connector, registered_user, access_key, began_at, ended_at, outcome FROM tool_calls
             WHERE organization = ?1 AND environment = ?2 AND {whose} AND (?4 IS NULL OR id < ?4)
             ORDER BY id DESC LIMIT ?5"
        );
        self.read(move |connection| {
            let mut list = connection.prepare_cached(&sql).map_err(unavailable)?;
            let user = registered_user.map(|user| user.to_string());
            list.query_map(params![organization, environment, user, after, page.limit], tool_call)
                .and_then(Iterator::collect)
                .map_err(of_read)
        })
        .await
    }
}
