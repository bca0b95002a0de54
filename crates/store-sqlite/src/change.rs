//! Changes: the facts that a change is decided on, and the rows of the decision.

use doorward_store::{Change, ChangeContext, Committed, Facts, Revision, StoreError};
use doorward_store_sql::change::OrganizationFacts;
use doorward_store_sql::{change as rows, keys, sql};
use rusqlite::Connection;

use crate::migrations::SINCE;
use crate::{identity, logs, row};

/// Makes a change completely, or fails.
pub(crate) fn make(connection: &Connection, change: &Change, context: &ChangeContext) -> Result<Committed, StoreError> {
    let next = sql("UPDATE revision SET value = value + 1 WHERE id = 1 RETURNING value");
    let revision = row::value(connection, &next)?.ok_or(StoreError::UnfinishedCopy)?;
    row::write_all(connection, &rows::forget(context.events.first().time))?;
    let facts = facts(connection, change, context)?;
    for step in change.plan(&facts, context)? {
        row::write(connection, &rows::step(&step, SINCE))?;
    }
    log(connection, change, &facts, context, revision)?;
    row::write(connection, &rows::remember(context, revision))?;
    for event in context.events.iter() {
        logs::append(connection, event)?;
    }
    Ok(Committed { revision, store: facts.store.id, longest_lease: facts.store.longest_lease })
}

fn facts(connection: &Connection, change: &Change, context: &ChangeContext) -> Result<Facts, StoreError> {
    let organization = change.organization();
    let found: Option<OrganizationFacts> = row::find(connection, &rows::organization_facts(change))?;
    let found = found.ok_or(StoreError::NotFound)?;
    let mut facts = Facts {
        store: identity::of(connection)?,
        done: row::find(connection, &rows::repeated(context))?,
        any_organization: found.any,
        organization: found.organization,
        is_name_taken: found.is_name_taken,
        is_external_id_taken: found.is_external_id_taken,
        secrets: vec![],
        key: None,
        origins: vec![],
    };
    if change.concerns_all_secrets() {
        facts.secrets = row::list_by(connection, &rows::all_secrets(organization), rows::secret_place)?;
    }
    if let Some(key) = change.key() {
        row::list_by(connection, &rows::key_facts(&key), |row| rows::add_key_facts(&mut facts.key, row))?;
    }
    if change.concerns_origins() {
        facts.origins = row::list(connection, &keys::origins(organization))?;
    }
    Ok(facts)
}

/// Writes the affected entities to the change log, for every node to read.
fn log(
    connection: &Connection,
    change: &Change,
    facts: &Facts,
    context: &ChangeContext,
    revision: Revision,
) -> Result<(), StoreError> {
    for touched in change.touched(facts) {
        let insert = sql("INSERT INTO changes (revision, touched, node, operation) VALUES ($1, $2, $3, $4)");
        let insert = insert.bind(&revision).bind(&touched).bind(&context.node).bind(&context.operation);
        row::write(connection, &insert)?;
    }
    row::write_some(connection, &rows::forget_changes(revision)).map(drop)
}
