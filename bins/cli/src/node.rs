//! The nodes that verify keys on the store.

use doorward::api::views::{List, NodeView};
use doorward::store::NodeRecord;

use crate::arguments::Node;
use crate::context::CliContext;
use crate::failure::CliError;
use crate::people::ago;

/// The difference of two clocks in milliseconds that a table does not show: networks and databases take that long.
const TOLERANCE: i64 = 500;

pub(crate) async fn run(context: &CliContext, command: &Node) -> Result<(), CliError> {
    let Node::List = command;
    let nodes = context.issuer.nodes(context.operator()).await?;
    let now = context.store.store_time().await?.unwrap_or_else(|| context.core.clock().now());
    let row = |node: &NodeRecord| {
        let NodeRecord { status, description, store_time, .. } = node;
        let told = |text: Option<String>| text.unwrap_or_else(|| "unknown".to_owned());
        vec![
            status.session.id.to_string(),
            told(description.as_ref().map(|said| said.host.to_string())),
            told(description.as_ref().map(|said| said.program.to_string())),
            match (status.retired, node.is_out_of_sight(now)) {
                (true, _) => "silent",
                (false, true) => "not seen",
                (false, false) => "serving",
            }
            .to_owned(),
            status.acknowledged.map_or_else(|| "none".to_owned(), |revision| revision.to_string()),
            format!("{} s", status.session.lease.as_secs_f64()),
            told(store_time.map(|time| ago(time, now))),
            match node.clock_ahead_millis() {
                None => String::new(),
                Some(ahead) if ahead.abs() < TOLERANCE => "right".to_owned(),
                Some(ahead) if ahead > 0 => format!("{ahead} ms ahead"),
                Some(ahead) => format!("{} ms behind", -ahead),
            },
        ]
    };
    let rows: Vec<_> = nodes.iter().map(row).collect();
    let header = ["ID", "HOST", "PROGRAM", "STATE", "REVISION", "LEASE", "SEEN", "CLOCK"];
    context.output.list(&List::whole(nodes.iter().map(NodeView::from).collect()), &header, rows)
}
