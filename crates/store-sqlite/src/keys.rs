use async_trait::async_trait;
use doorward_store::{
    AccessKey, AccessKeyWithSecrets, CHANGE_LOG_LENGTH, Change, ChangeContext, Conflict, IDEMPOTENCY_WINDOW, KeyRef,
    KeyStore, Organization, OriginEntry, Page, Revision, Secret, StoreError, Successor, Touched,
};
use doorward_types::{Environment, Locator, OrganizationId, SecretState};
use rusqlite::{OptionalExtension, Transaction, params};

use crate::error::{of_read, of_write, unavailable};
use crate::{SqliteStore, audit, origins, row};

#[async_trait]
impl KeyStore for SqliteStore {
    async fn change(&self, change: Change, context: ChangeContext) -> Result<Revision, StoreError> {
        self.write(move |transaction| {
            note_idempotency(transaction, &context)?;
            let touched = change.touched();
            apply(transaction, change)?;
            let revision = next_revision(transaction, &touched, &context)?;
            for event in context.events.iter() {
                audit::append(transaction, event)?;
            }
            Ok(revision)
        })
        .await
    }

    async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, StoreError> {
        self.read(move |transaction| {
            let mut find = transaction
                .prepare_cached("SELECT id, name, created_at FROM organizations WHERE id = ?1")
                .map_err(unavailable)?;
            find.query_row([id.to_string()], row::organization).optional().map_err(of_read)
        })
        .await
    }

    async fn organizations(&self, page: Page<OrganizationId>) -> Result<Vec<Organization>, StoreError> {
        self.read(move |transaction| {
            let mut list = transaction
                .prepare_cached(
                    "SELECT id, name, created_at FROM organizations WHERE ?1 IS NULL OR id < ?1 ORDER BY id DESC LIMIT ?2",
                )
                .map_err(unavailable)?;
            let after = page.after.map(|id| id.to_string());
            list.query_map(params![after, page.limit], row::organization)
                .and_then(Iterator::collect)
                .map_err(of_read)
        })
        .await
    }

    async fn access_keys(&self, organization: OrganizationId) -> Result<Vec<AccessKeyWithSecrets>, StoreError> {
        self.read(move |transaction| {
            let sql = format!(
                "SELECT {}, {}, k.generations FROM access_keys k
                 JOIN secrets s ON s.organization = k.organization AND s.environment = k.environment
                               AND s.access_key = k.id
                 WHERE k.organization = ?1 ORDER BY k.environment, k.id, s.state",
                row::ACCESS_KEY,
                row::SECRET
            );
            let mut list = transaction.prepare_cached(&sql).map_err(unavailable)?;
            let mut rows = list.query([organization.to_string()]).map_err(unavailable)?;
            let mut keys: Vec<AccessKeyWithSecrets> = Vec::new();
            while let Some(found) = rows.next().map_err(unavailable)? {
                let (key, secret) = (row::access_key(found).map_err(of_read)?, row::secret(found, 6).map_err(of_read)?);
                match keys.last_mut() {
                    Some(last) if last.key.id == key.id => last.secrets.push(secret),
                    _ => {
                        let generations = found.get(11).map_err(of_read)?;
                        keys.push(AccessKeyWithSecrets { key, generations, secrets: vec![secret] });
                    }
                }
            }
            Ok(keys)
        })
        .await
    }

    async fn allowed_origins(&self, organization: OrganizationId) -> Result<Vec<OriginEntry>, StoreError> {
        self.read(move |transaction| origins::of(transaction, organization)).await
    }
}

fn note_idempotency(transaction: &Transaction<'_>, context: &ChangeContext) -> Result<(), StoreError> {
    let Some(key) = &context.idempotency_key else { return Ok(()) };
    let event = context.events.first();
    let forgotten = event.time.as_millis().saturating_sub(i64::try_from(IDEMPOTENCY_WINDOW.as_millis()).unwrap_or(0));
    transaction.execute("DELETE FROM idempotency_keys WHERE created_at <= ?1", [forgotten]).map_err(unavailable)?;
    let known: Option<String> = transaction
        .query_row(
            "SELECT subject FROM idempotency_keys WHERE actor = ?1 AND idempotency_key = ?2",
            [event.actor.as_str(), key.as_str()],
            |row| row.get(0),
        )
        .optional()
        .map_err(unavailable)?;
    if let Some(subject) = known {
        return Err(StoreError::AlreadyDone { subject });
    }
    transaction
        .execute(
            "INSERT INTO idempotency_keys (actor, idempotency_key, subject, created_at) VALUES (?1, ?2, ?3, ?4)",
            params![event.actor.as_str(), key.as_str(), event.subject, event.time.as_millis()],
        )
        .map_err(of_write)?;
    Ok(())
}

fn next_revision(
    transaction: &Transaction<'_>,
    touched: &[Touched],
    context: &ChangeContext,
) -> Result<Revision, StoreError> {
    let revision: Option<u64> = transaction
        .prepare_cached("UPDATE revision SET value = value + 1 WHERE id = 1 RETURNING value")
        .and_then(|mut next| next.query_row([], |row| row.get(0)).optional())
        .map_err(unavailable)?;
    let revision = revision.ok_or(StoreError::Unfinished)?;
    let (node, operation) = (context.node.map(|node| node.to_string()), context.operation.to_string());
    for touched in touched {
        transaction
            .prepare_cached("INSERT INTO changes (revision, touched, node, operation) VALUES (?1, ?2, ?3, ?4)")
            .and_then(|mut insert| insert.execute(params![revision, touched.to_string(), node, operation]))
            .map_err(of_write)?;
    }
    transaction
        .prepare_cached("DELETE FROM changes WHERE revision < ?1")
        .and_then(|mut forget| forget.execute([revision.saturating_sub(CHANGE_LOG_LENGTH as u64)]))
        .map_err(unavailable)?;
    Ok(Revision(revision))
}

fn apply(transaction: &Transaction<'_>, change: Change) -> Result<(), StoreError> {
    match change {
        Change::Provision { organization, key, secret, only_if_empty } => {
            if only_if_empty && count(transaction, "SELECT count(*) FROM organizations", [])? > 0 {
                return Err(Conflict::NotEmpty.into());
            }
            transaction
                .execute(
                    "INSERT INTO organizations (id, name, created_at) VALUES (?1, ?2, ?3)",
                    params![
                        organization.id.to_string(),
                        organization.name.as_str(),
                        organization.created_at.as_millis()
                    ],
                )
                .map_err(of_write)?;
            insert_key(transaction, &key, &secret)
        }
        Change::Create { key, secret } => insert_key(transaction, &key, &secret),
        Change::Stage { key, secret } => {
            let staged = "SELECT count(*) FROM secrets
                WHERE organization = ?1 AND environment = ?2 AND access_key = ?3 AND state = 'staged'";
            if count(transaction, staged, place(&key))? > 0 {
                return Err(Conflict::AlreadyStaged.into());
            }
            raise_generation(transaction, &key, &secret)?;
            insert_secret(transaction, &key, &secret)
        }
        Change::Unstage { key, staged } => delete_secret(transaction, &key, staged, &[SecretState::Staged]),
        Change::Regenerate { key, retired, successor } => {
            for locator in retired {
                delete_secret(transaction, &key, locator, &[SecretState::Current, SecretState::Staged])?;
            }
            match successor {
                Successor::Promote(locator) => promote(transaction, &key, locator)?,
                Successor::Fresh(secret) => {
                    raise_generation(transaction, &key, &secret)?;
                    insert_secret(transaction, &key, &secret)?;
                }
            }
            let left = "SELECT count(*) FROM secrets WHERE organization = ?1 AND environment = ?2 AND access_key = ?3";
            if count(transaction, left, place(&key))? == 1 { Ok(()) } else { Err(Conflict::Stale.into()) }
        }
        Change::Delete { key, retired } => {
            if key.environment == Environment::Production {
                return Err(Conflict::Stale.into());
            }
            for locator in retired {
                delete_secret(transaction, &key, locator, &[SecretState::Current, SecretState::Staged])?;
            }
            let deleted = transaction
                .execute(
                    "DELETE FROM access_keys WHERE organization = ?1 AND environment = ?2 AND id = ?3",
                    place(&key),
                )
                .map_err(|error| match of_write(error) {
                    // A secret that the caller did not know of still hangs on the key.
                    StoreError::Missing => Conflict::Stale.into(),
                    other => other,
                })?;
            if deleted == 1 { Ok(()) } else { Err(StoreError::Missing) }
        }
        Change::AllowOrigin { entry } => origins::insert(transaction, &entry),
        Change::DisallowOrigin { organization, id } => origins::delete(transaction, organization, id),
    }
}

fn place(key: &KeyRef) -> [String; 3] {
    [key.organization.to_string(), key.environment.to_string(), key.id.to_string()]
}

fn count(transaction: &Transaction<'_>, sql: &str, params: impl rusqlite::Params) -> Result<u64, StoreError> {
    transaction.prepare_cached(sql).and_then(|mut count| count.query_row(params, |row| row.get(0))).map_err(unavailable)
}

fn insert_key(transaction: &Transaction<'_>, key: &AccessKey, secret: &Secret) -> Result<(), StoreError> {
    let slot = match key.environment {
        Environment::Production => Environment::Production.to_string(),
        Environment::Test => key.id.to_string(),
    };
    transaction
        .execute(
            "INSERT INTO access_keys (organization, environment, id, slot, name, generations, created_at, created_by)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                key.organization.to_string(),
                key.environment.as_str(),
                key.id.to_string(),
                slot,
                key.name.as_str(),
                secret.generation,
                key.created_at.as_millis(),
                key.created_by.as_str(),
            ],
        )
        .map_err(of_write)?;
    let reference = KeyRef { organization: key.organization, environment: key.environment, id: key.id };
    insert_secret(transaction, &reference, secret)
}

fn insert_secret(transaction: &Transaction<'_>, key: &KeyRef, secret: &Secret) -> Result<(), StoreError> {
    let [organization, environment, id] = place(key);
    transaction
        .prepare_cached(
            "INSERT INTO secrets (organization, environment, access_key, state, locator, digest, generation, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )
        .and_then(|mut insert| {
            insert.execute(params![
                organization,
                environment,
                id,
                secret.state.as_str(),
                secret.locator.as_str(),
                secret.digest.to_bytes(),
                secret.generation,
                secret.created_at.as_millis(),
            ])
        })
        .map_err(of_write)?;
    Ok(())
}

/// A generation is never used twice; whoever comes with an old one has not seen what happened since.
fn raise_generation(transaction: &Transaction<'_>, key: &KeyRef, secret: &Secret) -> Result<(), StoreError> {
    let [organization, environment, id] = place(key);
    let raised = transaction
        .prepare_cached(
            "UPDATE access_keys SET generations = ?4
             WHERE organization = ?1 AND environment = ?2 AND id = ?3 AND generations = ?4 - 1",
        )
        .and_then(|mut raise| raise.execute(params![organization, environment, id, secret.generation]))
        .map_err(of_write)?;
    if raised == 1 { Ok(()) } else { Err(Conflict::Stale.into()) }
}

fn delete_secret(
    transaction: &Transaction<'_>,
    key: &KeyRef,
    locator: Locator,
    states: &[SecretState],
) -> Result<(), StoreError> {
    let [organization, environment, id] = place(key);
    let mut deleted = 0;
    for state in states {
        deleted += transaction
            .prepare_cached(
                "DELETE FROM secrets WHERE organization = ?1 AND environment = ?2 AND access_key = ?3
                 AND state = ?4 AND locator = ?5",
            )
            .and_then(|mut delete| {
                delete.execute(params![organization, environment, id, state.as_str(), locator.as_str()])
            })
            .map_err(of_write)?;
    }
    if deleted == 1 { Ok(()) } else { Err(Conflict::Stale.into()) }
}

fn promote(transaction: &Transaction<'_>, key: &KeyRef, locator: Locator) -> Result<(), StoreError> {
    let [organization, environment, id] = place(key);
    let promoted = transaction
        .prepare_cached(
            "UPDATE secrets SET state = 'current' WHERE organization = ?1 AND environment = ?2 AND access_key = ?3
             AND state = 'staged' AND locator = ?4",
        )
        .and_then(|mut promote| promote.execute(params![organization, environment, id, locator.as_str()]))
        .map_err(of_write)?;
    if promoted == 1 { Ok(()) } else { Err(Conflict::Stale.into()) }
}
