//! *System*: the nodes, the sinks, lost changes, keys that are due, and revoked keys that are still sent.

use askama::Template;
use doorward_auth::LostChanges;
use doorward_store::{NodeRecord, RetiredSecret, SinkState};
use doorward_types::Timestamp;
use http::StatusCode;

use super::keys::REMINDER_LEAD;
use super::uses::refused_since;
use super::when::{ago, between};
use super::{RelativeTime, Shell, counted};
use crate::caller::Caller;
use crate::page_error::PageError;
use crate::reply::{self, Reply};
use crate::state::Parts;

/// The maximum number of revoked keys and of organizations in a list.
const ROWS: usize = 50;

#[derive(Template)]
#[template(path = "system.html")]
struct System<'a> {
    shell: Shell<'a>,
    nodes: Vec<NodeRow>,
    /// The sinks, if the page knows them.
    sinks: Option<Vec<SinkRow>>,
    /// The revisions of the lost changes that nobody has accepted.
    lost: Vec<String>,
    due: Vec<(String, String)>,
    still_sent: Vec<SentRow>,
}

struct NodeRow {
    host: String,
    program: String,
    state: &'static str,
    is_well: bool,
    seen: Option<RelativeTime>,
    acknowledged: String,
    lease: String,
}

struct SinkRow {
    name: String,
    behind: String,
    is_well: bool,
    held: bool,
}

struct SentRow {
    organization: String,
    public_name: String,
    said: String,
}

pub(crate) async fn page(parts: &Parts, who: &Caller) -> Result<Reply, PageError> {
    let nodes = parts.issuer.nodes(who).await?;
    let sinks = match &parts.outbox {
        Some(outbox) => Some(outbox.sinks().await?),
        None => None,
    };
    let core = parts.verifier.core();
    // This node polls for losses, so that an intact store is not asked for them.
    let lost = match parts.verifier.is_store_intact() {
        true => vec![],
        false => LostChanges::new(core, parts.store.clone()).list(who).await?,
    };
    let retired = parts.issuer.newest_retired(who).await?;
    let now = core.clock().now();
    let still_sent = retired.iter().filter(|retired| retired.refused > 0).take(ROWS);
    let sent = |retired: &RetiredSecret| SentRow {
        organization: retired.organization.to_string(),
        public_name: parts.public_name(retired.environment, retired.locator),
        said: refused_since(retired, now),
    };
    let due = parts.verifier.organizations_to_rotate(REMINDER_LEAD, ROWS);
    let page = System {
        shell: Shell::of(parts, who),
        nodes: nodes.iter().map(|node| node_row(node, now)).collect(),
        sinks: sinks.map(|sinks| sinks.into_iter().map(|sink| sink_row(sink, now)).collect()),
        lost: lost.iter().filter(|lost| !lost.accepted).map(|lost| lost.change.revision.to_string()).collect(),
        due: due.into_iter().map(|(id, name)| (id.to_string(), name.to_string())).collect(),
        still_sent: still_sent.map(sent).collect(),
    };
    Ok(reply::page(StatusCode::OK, &page))
}

fn node_row(node: &NodeRecord, now: Timestamp) -> NodeRow {
    let told = |text: Option<String>| text.unwrap_or_else(|| "unknown".to_owned());
    let said = node.description.as_ref();
    let (state, is_well) = match (node.status.retired, node.is_out_of_sight(now)) {
        (true, _) => ("silent: serves nothing until it registers again", false),
        (false, true) => ("not seen lately", false),
        (false, false) => ("serving", true),
    };
    NodeRow {
        host: told(said.map(|said| said.host.to_string())),
        program: told(said.map(|said| said.program.to_string())),
        state,
        is_well,
        seen: node.store_time.map(|seen| RelativeTime::new(seen, now)),
        acknowledged: node
            .status
            .acknowledged
            .map_or_else(|| "not asked yet".to_owned(), |revision| revision.to_string()),
        lease: format!("{} s", node.status.session.lease.as_secs_f64()),
    }
}

fn sink_row(sink: SinkState, now: Timestamp) -> SinkRow {
    let behind = match (sink.behind, sink.behind_since) {
        (0, _) => "up to date".to_owned(),
        (count, None) => format!("{} behind", counted(count, "event")),
        (count, Some(since)) => {
            format!("{} behind; the oldest was written {}", counted(count, "event"), ago(between(since, now)))
        }
    };
    SinkRow { name: sink.name.to_string(), behind, is_well: sink.behind == 0, held: sink.holder.is_some() }
}

impl System<'_> {
    fn troubles(&self) -> u64 {
        let nodes = self.nodes.iter().filter(|node| !node.is_well).count();
        let sinks = self.sinks.iter().flatten().filter(|sink| !sink.is_well).count();
        (nodes + sinks + self.lost.len()) as u64
    }

    fn verdict(&self) -> String {
        match self.troubles() {
            0 => "Everything is well.".to_owned(),
            troubles => format!("{} to look at.", counted(troubles, "trouble")),
        }
    }
}
