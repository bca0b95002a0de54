//! The rows that a change writes.

use doorward_store::{KeyRef, OriginEntry, Step};
use doorward_types::Environment;

use crate::statement::{Statement, sql};

/// Returns the statement that carries out a step.
pub(crate) fn statement(step: &Step) -> Statement {
    match step {
        Step::AddOrganization(organization) => {
            sql("INSERT INTO organizations (id, name, created_at) VALUES ($1, $2, $3)")
                .text(organization.id)
                .text(&organization.name)
                .number(organization.created_at.as_millis())
        }
        Step::AddKey(key, generations) => {
            let insert = "INSERT INTO access_keys (organization, environment, id, slot, name, generations, created_at, created_by)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
            let slot = match key.environment {
                Environment::Production => key.environment.to_string(),
                Environment::Test => key.id.to_string(),
            };
            let place = of_key(insert, &KeyRef::of(key)).text(slot).text(&key.name).number(i64::from(*generations));
            place.number(key.created_at.as_millis()).text(&key.created_by)
        }
        Step::AddSecret(key, secret) => {
            let insert = "INSERT INTO secrets (organization, environment, access_key, state, locator, digest, generation, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
            of_key(insert, key)
                .text(secret.state)
                .text(secret.locator)
                .bytes(secret.digest.to_bytes())
                .number(i64::from(secret.generation))
                .number(secret.created_at.as_millis())
        }
        Step::AddOrigin(OriginEntry { id, organization, origin, created_at, created_by }) => {
            let insert = "INSERT INTO allowed_origins (organization, id, origin, created_at, created_by)
                          VALUES ($1, $2, $3, $4, $5)";
            sql(insert).text(organization).text(id).text(origin).number(created_at.as_millis()).text(created_by)
        }
        Step::Promote(key, locator) => {
            let promote = "UPDATE secrets SET state = 'current'
                           WHERE organization = $1 AND environment = $2 AND access_key = $3 AND locator = $4";
            of_key(promote, key).text(locator)
        }
        Step::RemoveKey(key) => {
            of_key("DELETE FROM access_keys WHERE organization = $1 AND environment = $2 AND id = $3", key)
        }
        Step::RemoveOrigin(organization, id) => {
            sql("DELETE FROM allowed_origins WHERE organization = $1 AND id = $2").text(organization).text(id)
        }
        Step::RemoveSecret(key, locator) => {
            let delete = "DELETE FROM secrets
                          WHERE organization = $1 AND environment = $2 AND access_key = $3 AND locator = $4";
            of_key(delete, key).text(locator)
        }
        Step::SetGenerations(key, generations) => {
            let raise = "UPDATE access_keys SET generations = $4
                         WHERE organization = $1 AND environment = $2 AND id = $3";
            of_key(raise, key).number(i64::from(*generations))
        }
        Step::SetPrefix(prefix) => sql("UPDATE store SET prefix = $1 WHERE id = 1").text(prefix),
    }
}

/// Begins a statement whose first three parameters are the place of a key.
pub(crate) fn of_key(text: &'static str, key: &KeyRef) -> Statement {
    sql(text).text(key.organization).text(key.environment).text(key.id)
}
