//! Changes: the facts that a change is decided on, and the rows of the decision.

use doorward_store::{Change, ChangeContext, Committed, Facts, Revision, StoreError};
use doorward_store_sql::{change as rows, keys, sql};
use rusqlite::Connection;

use crate::{audit, identity, row};

/// Carries out a change: all of it, or an error.
pub(crate) fn make(connection: &Connection, change: &Change, context: &ChangeContext) -> Result<Committed, StoreError> {
    let next = sql("UPDATE revision SET value = value + 1 WHERE id = 1 RETURNING value");
    let revision = row::value(connection, &next)?.ok_or(StoreError::Unfinished)?;
    row::write_all(connection, &rows::forget_operations(context.events.first().time))?;
    let facts = facts(connection, change, context)?;
    for step in change.plan(&facts, context)? {
        row::write(connection, &rows::step(&step))?;
    }
    log(connection, change, context, revision)?;
    row::write(connection, &rows::remember(context, revision))?;
    for event in context.events.iter() {
        audit::append(connection, event)?;
    }
    Ok(Committed { revision, store: facts.store.id, longest_lease: facts.store.longest_lease })
}

fn facts(connection: &Connection, change: &Change, context: &ChangeContext) -> Result<Facts, StoreError> {
    let organization = change.organization();
    let there = row::find(connection, &rows::organizations_there(organization))?;
    let (any_organization, organization_there) = there.unwrap_or_default();
    let mut facts = Facts {
        store: identity::of(connection)?,
        done: row::find(connection, &rows::repeated(context))?,
        any_organization,
        organization: organization_there,
        key: None,
        origins: vec![],
    };
    if let Some(key) = change.key() {
        row::list_by(connection, &rows::key_facts(&key), |row| rows::add_key_facts(&mut facts.key, row))?;
    }
    if change.concerns_origins() {
        facts.origins = row::list(connection, &keys::origins(organization))?;
    }
    Ok(facts)
}

/// Notes in the change log what each node must hear of.
fn log(
    connection: &Connection,
    change: &Change,
    context: &ChangeContext,
    revision: Revision,
) -> Result<(), StoreError> {
    for touched in change.touched() {
        let insert = sql("INSERT INTO changes (revision, touched, node, operation) VALUES ($1, $2, $3, $4)");
        let insert = insert.bind(&revision).bind(&touched).bind(&context.node).bind(&context.operation);
        row::write(connection, &insert)?;
    }
    row::write_some(connection, &rows::forget_changes(revision)).map(drop)
}
