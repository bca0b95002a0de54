//! `doorward doctor`: what an operator has to know of a store and of the nodes on it.

use std::collections::BTreeSet;
use std::path::Path;

use doorward::StoreUrl;
use doorward::auth::{LostChanges, ROTATION_PERIOD, rotation_due_at};
use doorward::store::{NodeRecord, Page, StoreError};
use doorward::types::{Clock, SystemClock, Timestamp};
use serde::Serialize;

use crate::context::{CliContext, MAX_ORGANIZATIONS, unopened};
use crate::failure::CliError;
use crate::output::Output;

/// The largest difference between two clocks, in milliseconds, that is no fault.
const CLOCK_TOLERANCE: i64 = 1_000;

/// The milliseconds by which a sink may lag: receivers restart.
const SINK_LAG: i64 = 5 * 60 * 1_000;

/// The number of names in a sentence.
const NAMED: usize = 3;

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warning,
    Failed,
}

/// A thing that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    state: State,
    found: String,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, state: State::Ok, found: found.into() }
    }

    fn warning(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, state: State::Warning, found: found.into() }
    }

    fn failed(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, state: State::Failed, found: found.into() }
    }
}

#[derive(Serialize)]
struct Findings {
    /// True if no check failed.
    healthy: bool,
    checks: Vec<Check>,
}

pub(crate) async fn run(url: &StoreUrl, output: &Output) -> Result<(), CliError> {
    let mut checks = vec![];
    if let StoreUrl::Sqlite { path, .. } = url {
        checks.extend(permissions(path));
    }
    match schema(url).await? {
        schema if schema.state == State::Ok => {
            checks.push(schema);
            let context = CliContext::open_existing(url, output).await?;
            checks.push(lost(&context).await?);
            checks.extend(nodes(&context).await?);
            checks.push(sinks(&context).await?);
            checks.push(due(&context).await?);
        }
        schema => checks.push(schema),
    }
    let findings = Findings { healthy: checks.iter().all(|check| check.state != State::Failed), checks };
    let line = |check: &Check| {
        let state = match check.state {
            State::Ok => "ok",
            State::Warning => "WARNING",
            State::Failed => "FAILED",
        };
        format!("{state:8}{}: {}\n", check.name, check.found)
    };
    let lines: String = findings.checks.iter().map(line).collect();
    output.plain(&findings, &lines)?;
    if findings.healthy { Ok(()) } else { Err(CliError::told("a check failed")) }
}

/// Looks at the rights on the files of an SQLite store.
#[cfg(unix)]
fn permissions(path: &Path) -> Option<Check> {
    use std::os::unix::fs::PermissionsExt;
    let beside = ["", "-wal", "-shm", ".sealing-key"].map(|suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        std::path::PathBuf::from(name)
    });
    let found = beside.iter().filter_map(|file| Some((file, file.metadata().ok()?.permissions().mode() & 0o777)));
    let found: Vec<_> = found.collect();
    let open: Vec<_> = found.iter().filter(|(_, mode)| mode & 0o077 != 0).collect();
    Some(match open.first() {
        None if found.is_empty() => return None,
        None => Check::ok("permissions", format!("only the owner can read the store's {} files", found.len())),
        Some((file, mode)) => Check::failed(
            "permissions",
            format!("others can read {} (mode {mode:o}): chmod 600 {}", file.display(), file.display()),
        ),
    })
}

#[cfg(not(unix))]
fn permissions(_: &Path) -> Option<Check> {
    None
}

async fn schema(url: &StoreUrl) -> Result<Check, CliError> {
    Ok(match doorward::schema(url).await {
        Ok(state) if state.missing() > 0 => Check::failed(
            "schema",
            format!("{url} lacks {} migrations for this program: run `doorward store migrate`", state.missing()),
        ),
        Ok(state) => Check::ok("schema", format!("{url} has version {}", state.found)),
        Err(error @ StoreError::UnsupportedSchema { .. }) => Check::failed("schema", error.to_string()),
        Err(other) => return Err(unopened(url, other)),
    })
}

async fn lost(context: &CliContext) -> Result<Check, CliError> {
    let lost = LostChanges::new(&context.core, context.store.clone()).list(context.operator()).await?;
    let open = lost.iter().filter(|lost| !lost.accepted).count();
    Ok(match open {
        0 => Check::ok("lost changes", "the store has every change that it confirmed"),
        _ => Check::failed(
            "lost changes",
            format!("the store lost {open} changes, and no node serves: `doorward store lost --help` tells what to do"),
        ),
    })
}

async fn nodes(context: &CliContext) -> Result<Vec<Check>, CliError> {
    let nodes = context.issuer.nodes(context.operator()).await?;
    let now = context.store.store_time().await?;
    let mut checks = vec![registered(&nodes, now.unwrap_or_else(|| SystemClock.now()))];
    let programs: BTreeSet<_> =
        nodes.iter().filter_map(|node| node.description.as_ref()).map(|said| said.program.as_str()).collect();
    if programs.len() > 1 {
        let programs = Vec::from_iter(programs).join(", ");
        checks.push(Check::warning("programs", format!("an upgrade is under way: the nodes run {programs}")));
    }
    let own = now.map(|now| ("this machine".to_owned(), SystemClock.now().as_millis() - now.as_millis()));
    let clocks = nodes.iter().filter_map(|node| Some((name(node), node.clock_ahead_millis()?)));
    let wrong = clocks.chain(own).find(|(_, ahead)| ahead.abs() > CLOCK_TOLERANCE);
    checks.push(match wrong {
        None => Check::ok("clocks", "they agree"),
        Some((name, ahead)) => Check::failed(
            "clocks",
            format!("the clock of {name} is {ahead} ms ahead of the store's: synchronize the clocks"),
        ),
    });
    Ok(checks)
}

fn name(node: &NodeRecord) -> String {
    match &node.description {
        Some(said) => said.host.to_string(),
        None => node.status.session.id.to_string(),
    }
}

fn registered(nodes: &[NodeRecord], now: Timestamp) -> Check {
    let is_gone = |node: &&NodeRecord| node.status.retired || node.is_out_of_sight(now);
    let gone: Vec<_> = nodes.iter().filter(is_gone).map(name).collect();
    let some = || gone.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match (nodes.len(), gone.len()) {
        (0, _) => Check::warning("nodes", "none is registered: no server runs on this store"),
        (count, 0) => Check::ok("nodes", format!("{count} are registered")),
        (count, silent) if count == silent => Check::failed(
            "nodes",
            format!("all {count} are silent, such as {}: no server answers, or none can write to the store", some()),
        ),
        (count, silent) => Check::warning(
            "nodes",
            format!(
                "of {count}, {silent} are silent, such as {}. If they ended without a word, the next change removes them",
                some()
            ),
        ),
    }
}

async fn sinks(context: &CliContext) -> Result<Check, CliError> {
    let now = context.core.clock().now();
    let sinks = context.store.sinks().await?;
    let is_late = |since: Timestamp| now.as_millis() - since.as_millis() > SINK_LAG;
    let late = sinks.iter().find(|sink| sink.behind_since.is_some_and(is_late));
    Ok(match late {
        None => Check::ok("sinks", format!("{} ship in time", sinks.len())),
        Some(sink) => Check::warning(
            "sinks",
            format!(
                "{} has not received {} events{}: see its receiver, and `doorward audit sinks`",
                sink.name,
                sink.behind,
                if sink.holder.is_some() { "" } else { ", and no node ships to it" }
            ),
        ),
    })
}

async fn due(context: &CliContext) -> Result<Check, CliError> {
    let (issuer, operator, now) = (&context.issuer, context.operator(), context.core.clock().now());
    let (mut names, mut count) = (Vec::new(), 0_usize);
    for organization in issuer.organizations(operator, Page::first(MAX_ORGANIZATIONS)).await? {
        let keys = issuer.access_keys(operator, organization.id).await?;
        let is_due = |due: Timestamp| due <= now;
        if keys.iter().any(|found| rotation_due_at(found.key.environment, &found.secrets).is_some_and(is_due)) {
            count += 1;
            names.extend((names.len() < NAMED).then(|| organization.name.to_string()));
        }
    }
    let days = ROTATION_PERIOD.as_secs() / 86_400;
    Ok(match count {
        0 => Check::ok("rotation", format!("no production key is older than {days} days")),
        _ => Check::warning(
            "rotation",
            format!(
                "{count} production keys are older than {days} days, such as those of {}: `doorward key list --all --due`",
                names.join(", ")
            ),
        ),
    })
}
