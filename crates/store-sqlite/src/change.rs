//! Changes: the facts that a change is decided on, and the rows of the decision.

use doorward_store::{
    AccessKey, Change, ChangeContext, Committed, Facts, KeyFacts, KeyRef, Operation, OperationRow, Organization,
    RequestHash, Revision, Secret, Step, StoreError, operations_forgotten,
};
use doorward_types::Environment;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use crate::error::{of_read, unavailable};
use crate::{audit, identity, origins, row};

/// Carries out a change: all of it, or an error.
pub(crate) fn make(connection: &Connection, change: &Change, context: &ChangeContext) -> Result<Committed, StoreError> {
    let revision = next_revision(connection)?;
    let row = OperationRow::of(context);
    forget_operations(connection, &row)?;
    let facts = facts(connection, change, &row)?;
    for step in change.plan(&facts, context)? {
        carry_out(connection, step)?;
    }
    log(connection, change, context, revision)?;
    remember(connection, &row, revision)?;
    for event in context.events.iter() {
        audit::append(connection, event)?;
    }
    Ok(Committed { revision, store: facts.store.id, longest_lease: facts.store.longest_lease })
}

fn next_revision(connection: &Connection) -> Result<Revision, StoreError> {
    let next = connection
        .prepare_cached("UPDATE revision SET value = value + 1 WHERE id = 1 RETURNING value")
        .and_then(|mut next| next.query_row([], |row| row.get(0)).optional())
        .map_err(unavailable)?;
    next.map(Revision).ok_or(StoreError::Unfinished)
}

fn facts(connection: &Connection, change: &Change, row: &OperationRow<'_>) -> Result<Facts, StoreError> {
    let organization = change.organization();
    let actor = row.event.actor.as_str();
    let done = row.idempotency_key.map(|key| operation(connection, actor, key)).transpose()?.flatten();
    Ok(Facts {
        store: identity::of(connection)?,
        done,
        any_organization: exists(connection, "SELECT 1 FROM organizations LIMIT 1", [])?,
        organization: exists(connection, "SELECT 1 FROM organizations WHERE id = ?1", [organization.to_string()])?,
        key: change.key().map(|key| key_facts(connection, &key)).transpose()?.flatten(),
        origins: if change.concerns_origins() { origins::of(connection, organization)? } else { vec![] },
    })
}

fn key_facts(connection: &Connection, key: &KeyRef) -> Result<Option<KeyFacts>, StoreError> {
    let mut find = connection
        .prepare_cached("SELECT generations FROM access_keys WHERE organization = ?1 AND environment = ?2 AND id = ?3")
        .map_err(unavailable)?;
    let generations = find.query_row(place(key), |row| row.get(0)).optional().map_err(of_read)?;
    let Some(generations) = generations else { return Ok(None) };
    let mut list = connection
        .prepare_cached(
            "SELECT locator, state FROM secrets WHERE organization = ?1 AND environment = ?2 AND access_key = ?3",
        )
        .map_err(unavailable)?;
    let secrets = list
        .query_map(place(key), |row| Ok((row::parsed(row, 0)?, row::secret_state(row, 1)?)))
        .and_then(Iterator::collect)
        .map_err(of_read)?;
    Ok(Some(KeyFacts { generations, secrets }))
}

fn exists(connection: &Connection, sql: &str, params: impl Params) -> Result<bool, StoreError> {
    connection.prepare_cached(sql).and_then(|mut find| find.exists(params)).map_err(unavailable)
}

/// Writes one row of a plan.
fn carry_out(connection: &Connection, step: Step) -> Result<(), StoreError> {
    match step {
        Step::AddOrganization(organization) => add_organization(connection, &organization),
        Step::AddKey(key, generations) => add_key(connection, &key, generations),
        Step::AddSecret(key, secret) => add_secret(connection, &key, &secret),
        Step::AddOrigin(entry) => origins::insert(connection, &entry),
        Step::Promote(key, locator) => {
            let promote = "UPDATE secrets SET state = 'current' WHERE organization = ?1 AND environment = ?2
                           AND access_key = ?3 AND state = 'staged' AND locator = ?4";
            let [organization, environment, id] = place(&key);
            row::write(connection, promote, params![organization, environment, id, locator.as_str()])
        }
        Step::RemoveKey(key) => {
            let remove = "DELETE FROM access_keys WHERE organization = ?1 AND environment = ?2 AND id = ?3";
            row::write(connection, remove, place(&key))
        }
        Step::RemoveOrigin(organization, id) => {
            let remove = "DELETE FROM allowed_origins WHERE organization = ?1 AND id = ?2";
            row::write(connection, remove, [organization.to_string(), id.to_string()])
        }
        Step::RemoveSecret(key, locator) => {
            let remove = "DELETE FROM secrets WHERE organization = ?1 AND environment = ?2 AND access_key = ?3
                          AND locator = ?4";
            let [organization, environment, id] = place(&key);
            row::write(connection, remove, params![organization, environment, id, locator.as_str()])
        }
        Step::SetGenerations(key, generations) => {
            let set =
                "UPDATE access_keys SET generations = ?4 WHERE organization = ?1 AND environment = ?2 AND id = ?3";
            let [organization, environment, id] = place(&key);
            row::write(connection, set, params![organization, environment, id, generations])
        }
        Step::SetPrefix(prefix) => {
            row::write(connection, "UPDATE store SET prefix = ?1 WHERE id = 1", [prefix.to_string()])
        }
    }
}

fn place(key: &KeyRef) -> [String; 3] {
    [key.organization.to_string(), key.environment.to_string(), key.id.to_string()]
}

fn add_organization(connection: &Connection, organization: &Organization) -> Result<(), StoreError> {
    let Organization { id, name, created_at } = organization;
    let insert = "INSERT INTO organizations (id, name, created_at) VALUES (?1, ?2, ?3)";
    row::write(connection, insert, params![id.to_string(), name.as_str(), created_at.as_millis()])
}

fn add_key(connection: &Connection, key: &AccessKey, generations: u32) -> Result<(), StoreError> {
    let [organization, environment, id] = place(&KeyRef::of(key));
    let slot = match key.environment {
        Environment::Production => &environment,
        Environment::Test => &id,
    };
    let insert = "INSERT INTO access_keys
                      (organization, environment, id, slot, name, generations, created_at, created_by)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let (name, created_at, created_by) = (key.name.as_str(), key.created_at.as_millis(), key.created_by.as_str());
    row::write(
        connection,
        insert,
        params![organization, environment, id, slot, name, generations, created_at, created_by],
    )
}

fn add_secret(connection: &Connection, key: &KeyRef, secret: &Secret) -> Result<(), StoreError> {
    let [organization, environment, id] = place(key);
    let Secret { locator, digest, generation, state, created_at } = secret;
    let insert = "INSERT INTO secrets
                      (organization, environment, access_key, state, locator, digest, generation, created_at)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let (state, locator, digest, created_at) =
        (state.as_str(), locator.as_str(), digest.to_bytes(), created_at.as_millis());
    row::write(
        connection,
        insert,
        params![organization, environment, id, state, locator, digest, generation, created_at],
    )
}

/// Notes in the change log what each node must hear of.
fn log(
    connection: &Connection,
    change: &Change,
    context: &ChangeContext,
    revision: Revision,
) -> Result<(), StoreError> {
    let (node, operation) = (context.node.map(|node| node.to_string()), context.operation.to_string());
    for touched in change.touched() {
        let insert = "INSERT INTO changes (revision, touched, node, operation) VALUES (?1, ?2, ?3, ?4)";
        row::write(connection, insert, params![revision.0, touched.to_string(), node, operation])?;
    }
    row::write_some(connection, "DELETE FROM changes WHERE revision < ?1", [revision.oldest_kept().0]).map(drop)
}

/// Returns the operation of an actor under an idempotency key.
pub(crate) fn operation(connection: &Connection, actor: &str, key: &str) -> Result<Option<Operation>, StoreError> {
    let found = |row: &Row<'_>| {
        Ok(Operation {
            subject: row.get(0)?,
            request: row.get::<_, Option<[u8; 32]>>(1)?.map(RequestHash),
            revision: Revision(row.get(2)?),
        })
    };
    connection
        .prepare_cached("SELECT subject, request, revision FROM operations WHERE actor = ?1 AND idempotency_key = ?2")
        .and_then(|mut find| find.query_row([actor, key], found).optional())
        .map_err(of_read)
}

fn forget_operations(connection: &Connection, row: &OperationRow<'_>) -> Result<(), StoreError> {
    let (without_key, all) = operations_forgotten(row.event.time);
    let forget = "DELETE FROM operations WHERE idempotency_key IS NULL AND time <= ?1";
    row::write_some(connection, forget, [without_key.as_millis()])?;
    row::write_some(connection, "DELETE FROM operations WHERE time <= ?1", [all.as_millis()]).map(drop)
}

fn remember(connection: &Connection, row: &OperationRow<'_>, revision: Revision) -> Result<(), StoreError> {
    let OperationRow { operation, event, idempotency_key, request } = row;
    let insert = "INSERT INTO operations (operation, actor, idempotency_key, request, revision, subject, time)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let (operation, actor, time) = (operation.to_string(), event.actor.as_str(), event.time.as_millis());
    row::write(
        connection,
        insert,
        params![operation, actor, idempotency_key, request.0, revision.0, event.subject, time],
    )
}
