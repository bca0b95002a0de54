//! Data of one environment: registered users, credentials, connectors, tool calls.

use std::sync::LazyLock;

use doorward_records::{
    Connector, ConnectorName, Credential, CredentialKey, RegisteredUser, Sealed, TOOL_CALL_PURGE_BATCH,
    TOOL_CALL_RETENTION, ToolCall,
};
use doorward_store::{Page, Scope};
use doorward_types::{RegisteredUserId, ToolCallId};

use crate::revoking::Revoking;
use crate::table::{Scoped, Stored, Texts, insert_text, select_text, table};
use crate::{Statement, sql, text};

table! {
    RegisteredUser in "registered_users" key 3 of { organization: Text, environment: Text }
    ( id, origin_user_id, origin_user_name, created_at )
}

impl Scoped for RegisteredUser {
    const PUT: &'static [&'static str] = &["origin_user_id", "origin_user_name"];

    fn texts() -> &'static Texts {
        static TEXTS: LazyLock<Texts> = LazyLock::new(Texts::of::<RegisteredUser>);
        &TEXTS
    }

    fn bind_key(key: &RegisteredUserId, statement: Statement) -> Statement {
        statement.bind(key)
    }

    fn bind_no_key(statement: Statement) -> Statement {
        statement.bind(&None::<RegisteredUserId>)
    }

    fn removed(revoking: &Revoking, scope: &Scope, key: &RegisteredUserId) -> Vec<Statement> {
        revoking.all_of(scope, *key).into()
    }
}

table! {
    Credential in "credentials" key 4 of { organization: Text, environment: Text }
    ( registered_user, connector, sealed, created_at, updated_at )
}

impl Scoped for Credential {
    const PUT: &'static [&'static str] = &["sealed", "updated_at"];

    fn texts() -> &'static Texts {
        static TEXTS: LazyLock<Texts> = LazyLock::new(Texts::of::<Credential>);
        &TEXTS
    }

    fn bind_key(key: &CredentialKey, statement: Statement) -> Statement {
        statement.bind(&key.registered_user).bind(&key.connector)
    }

    fn bind_no_key(statement: Statement) -> Statement {
        statement.bind(&None::<RegisteredUserId>).bind(&None::<ConnectorName>)
    }

    fn sealed(&self) -> Option<&Sealed> {
        Some(&self.sealed)
    }

    fn replaced(revoking: &Revoking, scope: &Scope, key: &CredentialKey) -> Vec<Statement> {
        vec![revoking.credential(scope, key)]
    }
}

table! {
    Connector in "connectors" key 3 of { organization: Text, environment: Text }
    ( name, sealed, created_at, updated_at )
}

impl Scoped for Connector {
    const PUT: &'static [&'static str] = &["sealed", "updated_at"];

    fn texts() -> &'static Texts {
        static TEXTS: LazyLock<Texts> = LazyLock::new(Texts::of::<Connector>);
        &TEXTS
    }

    fn bind_key(key: &ConnectorName, statement: Statement) -> Statement {
        statement.bind(key)
    }

    fn bind_no_key(statement: Statement) -> Statement {
        statement.bind(&None::<ConnectorName>)
    }

    fn sealed(&self) -> Option<&Sealed> {
        Some(&self.sealed)
    }
}

table! {
    ToolCall in "tool_calls" key 3 of { organization: Text, environment: Text }
    { id, tool, connector, registered_user, access_key, began_at, ended_at, outcome }
}

/// Records the start of a tool call.
pub fn begin_tool_call(scope: &Scope, call: &ToolCall) -> Statement {
    call.bind(sql(text!("{}", insert_text(&ToolCall::TABLE))).scope(scope))
}

/// Deletes a few expired tool calls. Ids sort by age, so the oldest calls are found without an index of times.
pub fn let_tool_calls_go(scope: &Scope, call: &ToolCall) -> Statement {
    let go = "DELETE FROM tool_calls WHERE organization = $1 AND environment = $2 AND began_at < $3 AND id IN (
                  SELECT id FROM tool_calls WHERE organization = $1 AND environment = $2 ORDER BY id LIMIT $4)";
    sql(go).scope(scope).bind(&(call.began_at - TOOL_CALL_RETENTION)).bind(&TOOL_CALL_PURGE_BATCH)
}

/// Records the outcome of a tool call.
pub fn end_tool_call(scope: &Scope, call: &ToolCall) -> Statement {
    let end = "UPDATE tool_calls SET registered_user = $1, ended_at = $2, outcome = $3
               WHERE organization = $4 AND environment = $5 AND id = $6";
    let end = sql(end).bind(&call.registered_user).bind(&call.ended_at).bind(&call.outcome);
    end.scope(scope).bind(&call.id)
}

/// Reads a page of a scope's tool calls, newest first, of all users or of one user.
pub fn tool_calls(scope: &Scope, user: Option<RegisteredUserId>, page: &Page<ToolCallId>) -> Statement {
    macro_rules! list {
        ($of_user:literal) => {
            text!(
                "{} WHERE organization = $1 AND environment = $2 AND {} AND ($4 IS NULL OR id < $4)
                 ORDER BY id DESC LIMIT $5",
                select_text::<ToolCall>(),
                $of_user
            )
        };
    }
    // Two texts, so that the database uses the index of a user's calls.
    let list = if user.is_some() { list!("registered_user = $3") } else { list!("$3 IS NULL") };
    sql(list).scope(scope).bind(&user).bind(&page.after).bind(&page.limit)
}
