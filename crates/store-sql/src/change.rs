//! Changes: the facts for the decision, and the rows that it writes.

use doorward_store::{
    AccessKey, Change, ChangeContext, Feature, IdempotencyKey, KeyFacts, KeyLabel, KeyRef, LeakMarks, Operation,
    OperationRow, Organization, OriginEntry, RetiredSecret, Revision, Secret, Step, StoreError, operations_forgotten,
};
use doorward_types::{ActorName, Environment, Locator, Name, OrganizationId, Timestamp};

use crate::table::{Stored, columns, insert_text, select_text, table};
use crate::{FromRow, Reader, Statement, keys, sql, text};

table! {
    Operation in "operations" key 1 of { operation: Text, actor: Text, idempotency_key: Text }
    { subject, request, revision } with { time: Number }
}

/// Reads the operation of an actor under an idempotency key.
pub fn find_operation(actor: &ActorName, key: &IdempotencyKey) -> Statement {
    sql(text!("{} WHERE actor = $1 AND idempotency_key = $2", select_text::<Operation>()))
        .bind(actor)
        .text(key.as_str())
}

/// Reads the operation that a change would repeat, unless its time is over.
pub fn repeated(context: &ChangeContext) -> Statement {
    let OperationRow { event, idempotency_key, .. } = OperationRow::of(context);
    let (_, forgotten) = operations_forgotten(event.time);
    let find = text!("{} WHERE actor = $1 AND idempotency_key = $2 AND time > $3", select_text::<Operation>());
    sql(find).bind(&event.actor).bind(&idempotency_key.map(str::to_owned)).bind(&forgotten)
}

/// The facts about organizations that a change needs.
#[derive(Debug)]
pub struct OrganizationFacts {
    /// True if the store has an organization.
    pub any: bool,
    /// True if another organization that is not closed has the change's name.
    pub is_name_taken: bool,
    /// True if another organization has the change's external id.
    pub is_external_id_taken: bool,
    /// The change's organization.
    pub organization: Option<Organization>,
}

/// Reads the [`OrganizationFacts`] of a change: one row.
pub fn organization_facts(change: &Change) -> Statement {
    let (name, external_id) = change.names();
    let facts = text!(
        "SELECT EXISTS (SELECT 1 FROM organizations),
                EXISTS (SELECT 1 FROM organizations WHERE name = $1 AND id <> $2 AND state <> 'closed'),
                EXISTS (SELECT 1 FROM organizations WHERE external_id = $3 AND id <> $2), {}
         FROM (SELECT 1 AS one) facts LEFT JOIN organizations o ON o.id = $2",
        columns::<Organization>("o")
    );
    sql(facts).bind(&name.cloned()).bind(&change.organization()).bind(&external_id.cloned())
}

impl FromRow for OrganizationFacts {
    fn read(row: &mut Reader<'_>) -> Result<Self, StoreError> {
        let (any, is_name_taken, is_external_id_taken) = (row.take()?, row.take()?, row.take()?);
        Ok(Self { any, is_name_taken, is_external_id_taken, organization: Option::read(row)? })
    }
}

/// Reads every secret of an organization for [`secret_place`].
pub fn all_secrets(organization: OrganizationId) -> Statement {
    let all = "SELECT organization, environment, access_key, locator FROM secrets WHERE organization = $1";
    sql(all).bind(&organization)
}

/// Reads a row of [`all_secrets`].
///
/// # Errors
///
/// [`StoreError::Corrupt`] if a column holds an invalid value.
pub fn secret_place(row: &mut Reader<'_>) -> Result<(KeyRef, Locator), StoreError> {
    let key = KeyRef { organization: row.take()?, environment: row.take()?, id: row.take()? };
    Ok((key, row.take()?))
}

/// Reads the state of a key for [`add_key_facts`]: one row for each secret, or one row without a secret.
pub fn key_facts(key: &KeyRef) -> Statement {
    let secrets =
        "SELECT k.name, k.note, k.generations, s.locator, s.state, s.reported_at, s.quarantined_at FROM access_keys k
                   LEFT JOIN secrets s ON s.organization = k.organization AND s.environment = k.environment
                                      AND s.access_key = k.id
                   WHERE k.organization = $1 AND k.environment = $2 AND k.id = $3";
    sql(secrets).key(key)
}

/// Adds a row of [`key_facts`] to the earlier rows.
///
/// # Errors
///
/// [`StoreError::Corrupt`] if a column holds an invalid value.
pub fn add_key_facts(facts: &mut Option<KeyFacts>, row: &mut Reader<'_>) -> Result<(), StoreError> {
    let label = KeyLabel { name: row.take()?, note: row.take()? };
    let generations = row.take()?;
    let facts = facts.get_or_insert(KeyFacts { label, generations, secrets: vec![], marks: vec![] });
    if let Some(locator) = row.take()? {
        facts.secrets.push((locator, row.take()?));
        let marks = LeakMarks { reported_at: row.take()?, quarantined_at: row.take()? };
        if marks != LeakMarks::default() {
            facts.marks.push((locator, marks));
        }
    }
    Ok(())
}

/// The first versions of an engine's schema that have a feature.
#[derive(Clone, Copy, Debug)]
pub struct Since {
    /// See [`Feature::Quarantine`].
    pub quarantine: u64,
    /// See [`Feature::States`].
    pub states: u64,
}

impl Since {
    const fn version(self, feature: Feature) -> u64 {
        match feature {
            Feature::Quarantine => self.quarantine,
            Feature::States => self.states,
        }
    }
}

/// Carries out a step. Every step writes one row.
pub fn step(step: &Step, since: Since) -> Statement {
    match step {
        Step::AddOrganization(organization) => organization.bind(sql(text!("{}", insert_text(&Organization::TABLE)))),
        Step::AddKey(key, generations) => {
            // UNIQUE slots: one production key per organization, any number of test keys.
            let slot = match key.environment {
                Environment::Production => key.environment.to_string(),
                Environment::Test => key.id.to_string(),
            };
            key.bind(sql(text!("{}", insert_text(&AccessKey::TABLE)))).bind(&slot).bind(generations).bind(&None::<Name>)
        }
        Step::AddSecret(key, secret) => secret.bind(sql(text!("{}", insert_text(&Secret::TABLE))).key(key)),
        Step::AddOrigin(entry) => entry.bind(sql(text!("{}", insert_text(&OriginEntry::TABLE)))),
        Step::RememberImport(locator) => keys::remember_import(locator),
        Step::Retire(key, locator, at) => {
            let retire = text!(
                "INSERT INTO retired_secrets ({})
                 SELECT organization, environment, locator, digest, access_key, generation, state, $1, 0, NULL, NULL FROM secrets
                 WHERE organization = $2 AND environment = $3 AND access_key = $4 AND locator = $5
                 ON CONFLICT (locator) DO UPDATE SET retired_at = excluded.retired_at",
                RetiredSecret::TABLE.column_list()
            );
            sql(retire).bind(at).key(key).bind(locator)
        }
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
        Step::Require(feature) => require(since.version(*feature)),
        Step::SetOrganization(organization) => {
            let Organization { id, name, created_at: _, external_id, state, erase_at, .. } = organization;
            let set = "UPDATE organizations SET name = $1, external_id = $2, state = $3, erase_at = $4 WHERE id = $5";
            sql(set).bind(name).bind(external_id).bind(state).bind(erase_at).bind(id)
        }
        Step::SetLabel(key, KeyLabel { name, note }) => {
            let set = "UPDATE access_keys SET name = $1, note = $2
                       WHERE organization = $3 AND environment = $4 AND id = $5";
            sql(set).bind(name).bind(note).key(key)
        }
        Step::SetMarks(key, locator, LeakMarks { reported_at, quarantined_at }) => {
            let set = "UPDATE secrets SET reported_at = $1, quarantined_at = $2
                       WHERE organization = $3 AND environment = $4 AND access_key = $5 AND locator = $6";
            sql(set).bind(reported_at).bind(quarantined_at).key(key).bind(locator)
        }
        Step::SetGenerations(key, generations) => {
            let set = "UPDATE access_keys SET generations = $1
                       WHERE organization = $2 AND environment = $3 AND id = $4";
            sql(set).bind(generations).key(key)
        }
        Step::SetPrefix(prefix) => sql("UPDATE store SET prefix = $1 WHERE id = 1").bind(prefix),
    }
}

/// Excludes programs that know only earlier versions of the schema. Writes one row.
fn require(version: u64) -> Statement {
    let raise =
        "UPDATE store SET oldest_schema = CASE WHEN oldest_schema < $1 THEN $1 ELSE oldest_schema END WHERE id = 1";
    sql(raise).bind(&version)
}

/// Excludes programs that do not know the features that a copied store uses.
pub fn require_used(since: Since) -> [Statement; 2] {
    [
        require(since.states).and(" AND EXISTS (SELECT 1 FROM organizations WHERE state = 'suspended')"),
        require(since.quarantine).and(" AND EXISTS (SELECT 1 FROM secrets WHERE quarantined_at IS NOT NULL)"),
    ]
}

/// Stores a change as an operation.
pub fn remember(context: &ChangeContext, revision: Revision) -> Statement {
    let OperationRow { operation, event, idempotency_key, request } = OperationRow::of(context);
    let insert = sql(text!("{}", insert_text(&Operation::TABLE))).bind(&operation).bind(&event.actor);
    let insert = insert.bind(&idempotency_key.map(str::to_owned));
    let remembered = Operation { subject: event.subject.clone(), request: Some(request), revision };
    remembered.bind(insert).bind(&event.time)
}

/// Deletes the operations and the revoked secrets whose time is over.
pub fn forget(now: Timestamp) -> [Statement; 3] {
    let (nameless, all) = operations_forgotten(now);
    [
        keys::forget_retired(now),
        sql("DELETE FROM operations WHERE idempotency_key IS NULL AND time <= $1").bind(&nameless),
        sql("DELETE FROM operations WHERE time <= $1").bind(&all),
    ]
}

/// Deletes old rows of the change log.
pub fn forget_changes(newest: Revision) -> Statement {
    sql("DELETE FROM changes WHERE revision < $1").bind(&newest.oldest_kept())
}
