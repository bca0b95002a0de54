//! Changes: the facts that a change is decided on, and the rows of the decision.

use doorward_store::copy::{CopiedTable, Kind};
use doorward_store::{
    AccessKey, ChangeContext, IdempotencyKey, KeyFacts, KeyRef, Operation, OperationRow, Organization, OriginEntry,
    Revision, Secret, Step, StoreError, operations_forgotten,
};
use doorward_types::{Environment, Name, OrganizationId, Timestamp};

use crate::table::{Stored, insert_text};
use crate::{FromRow, Reader, Statement, sql, text};

/// The table of operations.
pub(crate) const OPERATIONS: CopiedTable = CopiedTable {
    name: "operations",
    columns: &[
        ("operation", Kind::Text),
        ("actor", Kind::Text),
        ("idempotency_key", Kind::Text),
        ("request", Kind::Bytes),
        ("revision", Kind::Number),
        ("subject", Kind::Text),
        ("time", Kind::Number),
    ],
    key: 1,
    only: None,
};

/// The columns of an [`Operation`], of a table called `o`.
pub const OPERATION: &str = "o.subject, o.request, o.revision";

impl FromRow for Operation {
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
        Ok(Operation { subject: row.take()?, request: row.take()?, revision: row.take()? })
    }
}

/// Reads the operation of an actor under an idempotency key.
pub fn find_operation(actor: &Name, key: &IdempotencyKey) -> Statement {
    let find = text!("SELECT {OPERATION} FROM operations o WHERE o.actor = $1 AND o.idempotency_key = $2");
    sql(find).bind(actor).text(key.as_str())
}

/// Reads the operation that a change would repeat, if it is not to be forgotten.
pub fn repeated(context: &ChangeContext) -> Statement {
    let OperationRow { event, idempotency_key, .. } = OperationRow::of(context);
    let (_, forgotten) = operations_forgotten(event.time);
    let find =
        text!("SELECT {OPERATION} FROM operations o WHERE o.actor = $1 AND o.idempotency_key = $2 AND o.time > $3");
    sql(find).bind(&event.actor).bind(&idempotency_key.map(str::to_owned)).bind(&forgotten)
}

/// Reads whether there is any organization, and whether there is this one.
pub fn organizations_there(organization: OrganizationId) -> Statement {
    let there = "SELECT EXISTS (SELECT 1 FROM organizations), EXISTS (SELECT 1 FROM organizations WHERE id = $1)";
    sql(there).bind(&organization)
}

/// Reads the state of a key: a row for each secret, or one without, to be read by [`add_key_facts`].
pub fn key_facts(key: &KeyRef) -> Statement {
    let secrets = "SELECT k.generations, s.locator, s.state FROM access_keys k
                   LEFT JOIN secrets s ON s.organization = k.organization AND s.environment = k.environment
                                      AND s.access_key = k.id
                   WHERE k.organization = $1 AND k.environment = $2 AND k.id = $3";
    sql(secrets).key(key)
}

/// Adds a row of [`key_facts`] to those before it.
///
/// # Errors
///
/// [`StoreError::Corrupt`].
pub fn add_key_facts(facts: &mut Option<KeyFacts>, row: &mut Reader<'_>) -> Result<(), StoreError> {
    let generations = row.take()?;
    let facts = facts.get_or_insert(KeyFacts { generations, secrets: vec![] });
    if let Some(locator) = row.take()? {
        facts.secrets.push((locator, row.take()?));
    }
    Ok(())
}

/// Carries out a step. Each touches one row.
pub fn step(step: &Step) -> Statement {
    match step {
        Step::AddOrganization(organization) => organization.bind(sql(text!("{}", insert_text(&Organization::TABLE)))),
        Step::AddKey(key, generations) => {
            // UNIQUE slots: one production key per organization, any number of test keys.
            let slot = match key.environment {
                Environment::Production => key.environment.to_string(),
                Environment::Test => key.id.to_string(),
            };
            key.bind(sql(text!("{}", insert_text(&AccessKey::TABLE)))).bind(&slot).bind(generations)
        }
        Step::AddSecret(key, secret) => secret.bind(sql(text!("{}", insert_text(&Secret::TABLE))).key(key)),
        Step::AddOrigin(entry) => entry.bind(sql(text!("{}", insert_text(&OriginEntry::TABLE)))),
        Step::Promote(key, locator) => {
            let promote = "UPDATE secrets SET state = 'current'
                           WHERE organization = $1 AND environment = $2 AND access_key = $3 AND locator = $4";
            sql(promote).key(key).bind(locator)
        }
        Step::RemoveKey(key) => {
            sql("DELETE FROM access_keys WHERE organization = $1 AND environment = $2 AND id = $3").key(key)
        }
        Step::RemoveOrigin(organization, id) => {
            sql("DELETE FROM allowed_origins WHERE organization = $1 AND id = $2").bind(organization).bind(id)
        }
        Step::RemoveSecret(key, locator) => {
            let remove = "DELETE FROM secrets
                          WHERE organization = $1 AND environment = $2 AND access_key = $3 AND locator = $4";
            sql(remove).key(key).bind(locator)
        }
        Step::SetGenerations(key, generations) => {
            let set = "UPDATE access_keys SET generations = $1
                       WHERE organization = $2 AND environment = $3 AND id = $4";
            sql(set).bind(generations).key(key)
        }
        Step::SetPrefix(prefix) => sql("UPDATE store SET prefix = $1 WHERE id = 1").bind(prefix),
    }
}

/// Remembers a change as an operation.
pub fn remember(context: &ChangeContext, revision: Revision) -> Statement {
    let OperationRow { operation, event, idempotency_key, request } = OperationRow::of(context);
    let insert = "INSERT INTO operations (operation, actor, idempotency_key, request, revision, subject, time)
                  VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let insert = sql(insert).bind(&operation).bind(&event.actor).bind(&idempotency_key.map(str::to_owned));
    insert.bind(&request).bind(&revision).bind(&event.subject).bind(&event.time)
}

/// Forgets the operations whose time is over.
pub fn forget_operations(now: Timestamp) -> [Statement; 2] {
    let (nameless, all) = operations_forgotten(now);
    [
        sql("DELETE FROM operations WHERE idempotency_key IS NULL AND time <= $1").bind(&nameless),
        sql("DELETE FROM operations WHERE time <= $1").bind(&all),
    ]
}

/// Forgets what the change log keeps no longer.
pub fn forget_changes(newest: Revision) -> Statement {
    sql("DELETE FROM changes WHERE revision < $1").bind(&newest.oldest_kept())
}
