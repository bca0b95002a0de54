//! `doorward store migrate`: the store's schema for a new release.

use doorward::StoreUrl;
use doorward::store::{Migration, NodeRecord, OpenMode, SchemaState};
use serde::Serialize;

use crate::context::unopened;
use crate::failure::CliError;
use crate::output::Output;

#[derive(Serialize)]
struct MigrationView {
    /// The store's version before.
    found: u64,
    /// The version that this program needs.
    needed: u64,
    /// The version that a program must at least know to use the store.
    oldest: u64,
    /// The number of migrations that were taken, or would be.
    migrations: u64,
    /// True if nothing was changed.
    dry_run: bool,
    /// The nodes that are registered.
    nodes: Vec<String>,
}

pub(super) async fn run(url: &StoreUrl, dry_run: bool, output: &Output) -> Result<(), CliError> {
    let failed = |error| unopened(url, error);
    let before = doorward::schema(url).await.map_err(failed)?;
    let missing = before.missing();
    let now = if missing > 0 && !dry_run {
        output.remark(&format!("Migrating from version {} to {}…", before.found, before.needed));
        doorward::open(url, OpenMode::Existing.with_migration(Migration::Always)).await.map_err(failed)?;
        doorward::schema(url).await.map_err(failed)?
    } else {
        before
    };
    let nodes = if now.missing() == 0 { nodes(url).await? } else { older_nodes(url).await? };
    let SchemaState { found, needed, .. } = before;
    let view = MigrationView { found, needed, oldest: now.oldest, migrations: missing, dry_run, nodes };
    output.done(&view, &sentences(&view))
}

fn sentences(view: &MigrationView) -> String {
    let MigrationView { found, needed, oldest, migrations, dry_run, nodes } = view;
    let mut text = match (migrations, dry_run) {
        (0, _) if found > needed => format!(
            "The store has version {found}, of a newer release, and this program knows versions up to {needed}: it may use the \
             store all the same."
        ),
        (0, _) => format!("The store has version {found} already: there is nothing to do."),
        (count, true) => format!(
            "The store has version {found}: {count} migrations to version {needed} are missing. Nothing was changed."
        ),
        (count, false) => format!("Took {count} migrations: the store has version {needed} now."),
    };
    if !dry_run {
        text += &format!("\nPrograms that know version {oldest} may use it: servers of the release before go on.");
    }
    for node in nodes {
        text += &format!("\n  {node}");
    }
    text
}

/// Describes the nodes that are registered at a store from before the migration. They may have no description there.
async fn older_nodes(url: &StoreUrl) -> Result<Vec<String>, CliError> {
    let store = doorward::open(url, OpenMode::Existing.with_migration(Migration::Skip)).await?;
    let (_, sessions) = store.sessions().await?.proved_of_any_store()?;
    let serving = sessions.iter().filter(|status| !status.retired);
    Ok(serving.map(|status| format!("{} is registered", status.session.id)).collect())
}

/// Describes the nodes that are registered.
async fn nodes(url: &StoreUrl) -> Result<Vec<String>, CliError> {
    let store = doorward::open(url, OpenMode::Existing).await?;
    let (_, nodes) = store.nodes().await?.proved_of_any_store()?;
    let describe = |node: &NodeRecord| match &node.description {
        Some(said) => format!("{} runs {}", said.host, said.program),
        None => format!("{} runs an older program, or is embedded in a service", node.status.session.id),
    };
    Ok(nodes.iter().filter(|node| !node.status.retired).map(describe).collect())
}
