use doorward_http::Problem;
use rmcp::model::CallToolResult;
use serde_json::Value;

/// Returns a refusal in the form of MCP: the code for programs, the detail for the person who has to mend it.
pub(super) fn refused(problem: &Problem) -> CallToolResult {
    CallToolResult::structured_error(Value::from_iter([
        ("code", problem.code().as_str()),
        ("detail", problem.detail()),
    ]))
}
