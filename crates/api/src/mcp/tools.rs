//! The tools. They do what the routes do, by the same functions.

use std::sync::{Arc, LazyLock};

use doorward_audit::Attribution;
use doorward_auth::Principal;
use doorward_http::Problem;
use doorward_records::{ConnectorName, CredentialKey, ToolCall, ToolCalls, ToolOutcome};
use doorward_store::Scope;
use doorward_types::{Name, RegisteredUserId, ToolCallId};
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::tool::ToolCallContext;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, Implementation, JsonObject, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::refusal::refused;
use super::upstream;
use crate::code::Code;
use crate::problem::{absent, link_failed, store_failed};
use crate::state::State;
use crate::views::WhoAmI;
use crate::{cursor, users};

/// The instructions that a model reads before it chooses a tool.
const INSTRUCTIONS: &str = "Doorward keeps the registered users of one organization, and the credentials that they entrusted. The \
                            access key decides the environment, production or test, and no tool reaches the other one: call \
                            `whoami` first to know which it is. What production holds is real.";

static TOOLS: LazyLock<ToolRouter<Tools>> = LazyLock::new(Tools::tool_router);

/// The tools of one key, for one request.
#[derive(Clone, Debug)]
pub(super) struct Tools {
    pub(super) state: Arc<State>,
    pub(super) principal: Principal,
    pub(super) by: Attribution,
    /// Closed once the client has its answer, or has left.
    pub(super) client: watch::Receiver<()>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WhichPage {
    /// The maximum number of rows: 1 to 100, by default 20
    #[serde(default)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before
    #[serde(default)]
    cursor: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewUser {
    /// The user's id in the organization's own product: one line of at most 128 bytes, unique in this environment
    origin_user_id: String,
    /// The user's name there
    #[serde(default)]
    origin_user_name: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WhichUser {
    /// The user's id here: `ru_` and 26 characters
    registered_user_id: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ConnectorCall {
    /// For whom: `ru_` and 26 characters
    registered_user_id: String,
    /// The connector, such as `github`
    connector: String,
    /// The tool, as the connector's own server calls it
    tool: String,
    /// The tool's arguments
    #[serde(default)]
    arguments: JsonObject,
}

#[tool_router]
impl Tools {
    fn scope(&self) -> Scope {
        self.principal.scope()
    }

    /// Says which organization and environment the access key opens.
    #[tool(annotations(title = "Who am I", read_only_hint = true, open_world_hint = false))]
    async fn whoami(&self) -> CallToolResult {
        outcome(async { Ok(WhoAmI::from(&self.principal)) }).await
    }

    /// Lists the registered users of this environment, newest first.
    #[tool(annotations(title = "List registered users", read_only_hint = true, open_world_hint = false))]
    async fn list_registered_users(&self, Parameters(which): Parameters<WhichPage>) -> CallToolResult {
        outcome(async {
            let page = cursor::page_of(which.limit, which.cursor.as_deref())?;
            users::page(&self.state, &self.scope(), &page).await
        })
        .await
    }

    /// Registers a user of the organization's product in this environment.
    #[tool(annotations(title = "Create a registered user", destructive_hint = false, open_world_hint = false))]
    async fn create_registered_user(&self, Parameters(new): Parameters<NewUser>) -> CallToolResult {
        let NewUser { origin_user_id, origin_user_name } = new;
        let name = |text: String, what: &str| {
            text.parse::<Name>().map_err(|error| Problem::new(Code::InvalidRequest, format!("`{what}`: {error}")))
        };
        outcome(async {
            let id = name(origin_user_id, "origin_user_id")?;
            let called = origin_user_name.map(|text| name(text, "origin_user_name")).transpose()?;
            users::register(&self.state, &self.scope(), id, called).await
        })
        .await
    }

    /// Reads one registered user of this environment.
    #[tool(annotations(title = "Get a registered user", read_only_hint = true, open_world_hint = false))]
    async fn get_registered_user(&self, Parameters(which): Parameters<WhichUser>) -> CallToolResult {
        outcome(async { users::find(&self.state, &self.scope(), self.user(&which.registered_user_id)?).await }).await
    }

    /// Deletes a registered user of this environment permanently, with the credentials that the user entrusted.
    #[tool(annotations(title = "Delete a registered user", destructive_hint = true, open_world_hint = false))]
    async fn delete_registered_user(&self, Parameters(which): Parameters<WhichUser>) -> CallToolResult {
        outcome(async {
            let id = self.user(&which.registered_user_id)?;
            users::delete(&self.state, &self.scope(), id, &self.by).await?;
            Ok(json!({"deleted": id}))
        })
        .await
    }

    /// Calls a tool of a connector's own server for a registered user, with the credential that the user entrusted.
    #[tool(annotations(title = "Call a connector's tool", destructive_hint = true, open_world_hint = true))]
    async fn call_connector_tool(&self, Parameters(call): Parameters<ConnectorCall>) -> CallToolResult {
        let ConnectorCall { registered_user_id, connector, tool, arguments } = call;
        let environment = self.scope().environment();
        let called = async {
            let registered_user = self.user(&registered_user_id)?;
            let connector = connector.parse().map_err(|_| absent("connector", environment))?;
            let key = CredentialKey { registered_user, connector };
            let upstream = self.state.linker()?.upstream(&self.scope(), &key).await;
            let upstream = upstream.map_err(|error| link_failed(error, environment))?;
            let _share = self.state.budgets.connector_call(self.principal.key_id())?;
            let mut client = self.client.clone();
            tokio::select! {
                result = upstream::call(self.state.linker()?.client(), &upstream, tool, arguments) => Ok(result),
                // It fails once the sender is gone.
                Err(_) = client.changed() => {
                    Err(Problem::new(Code::UpstreamFailed, "the client left before the connector's server answered"))
                }
            }
        };
        called.await.unwrap_or_else(|problem| refused(&problem))
    }

    /// Reads a user's id. A text that cannot be an id names a user that does not exist.
    fn user(&self, id: &str) -> Result<RegisteredUserId, Problem> {
        id.parse().map_err(|_| absent("registered user", self.scope().environment()))
    }

    /// Returns the record of the call while it is under way.
    fn record(&self, request: &CallToolRequestParams) -> Result<ToolCall, ErrorData> {
        let argument = |name: &str| request.arguments.as_ref()?.get(name)?.as_str();
        let connector: Option<ConnectorName> = argument("connector").and_then(|name| name.parse().ok());
        let tool = if connector.is_some() { argument("tool").unwrap_or_default() } else { &*request.name };
        let tool = tool.parse().map_err(|error| ErrorData::invalid_params(format!("`tool`: {error}"), None))?;
        let seed = self.state.core().id_seed().map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        Ok(ToolCall {
            id: ToolCallId::new(seed),
            tool,
            connector,
            registered_user: argument("registered_user_id").and_then(|id| id.parse().ok()),
            access_key: self.principal.key_id(),
            began_at: self.state.clock().now(),
            ended_at: None,
            outcome: ToolOutcome::Unfinished,
        })
    }
}

impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("doorward", env!("CARGO_PKG_VERSION")).with_title("Doorward"))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(TOOLS.list_all()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        TOOLS.get(name).cloned()
    }

    /// Records the call, makes it, and records its end. A call that cannot be recorded is not made.
    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if !TOOLS.has_route(&request.name) {
            return Err(ErrorData::invalid_params("there is no such tool; tools/list names the tools", None));
        }
        let (calls, scope): (&dyn ToolCalls, _) = (self.state.store(), self.scope());
        let mut call = self.record(&request)?;
        calls.begin_tool_call(&scope, call.clone()).await.map_err(|error| {
            let problem = store_failed(error);
            ErrorData::internal_error(
                format!("the call was not made, since it cannot be recorded: {}", problem.detail()),
                None,
            )
        })?;
        let (began, name) = (Instant::now(), request.name.clone());
        let answer = TOOLS.call(ToolCallContext::new(self, request, context)).await;
        let result = match &answer {
            Ok(CallToolResponse::Complete(result)) => Some(result),
            _ => None,
        };
        let succeeded = result.is_some_and(|result| result.is_error != Some(true));
        self.state.observer.tool_called(&name, succeeded, began.elapsed());
        call.outcome = if succeeded { ToolOutcome::Succeeded } else { ToolOutcome::Failed };
        call.ended_at = Some(self.state.clock().now());
        call.registered_user = call.registered_user.or_else(|| made_user(result?));
        // The call was made, and is on record. The record then says that its end is unknown.
        if let Err(error) = calls.end_tool_call(&scope, call).await {
            store_failed(error);
        }
        answer
    }
}

/// Returns the user that a tool made.
fn made_user(result: &CallToolResult) -> Option<RegisteredUserId> {
    result.structured_content.as_ref()?.get("id")?.as_str()?.parse().ok()
}

/// Returns the outcome of a tool, for the model and for programs.
async fn outcome(work: impl Future<Output = Result<impl Serialize, Problem>>) -> CallToolResult {
    match work.await.map(serde_json::to_value) {
        Ok(Ok(value)) => CallToolResult::structured(value),
        Ok(Err(_)) => refused(&Problem::new(Code::Internal, "the answer cannot be written")),
        Err(problem) => refused(&problem),
    }
}
