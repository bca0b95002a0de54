use async_trait::async_trait;
use deadpool_postgres::Transaction;
use doorward_store::{
    AccessKey, AccessKeyWithSecrets, CHANGE_LOG_LENGTH, Change, ChangeContext, Conflict, IDEMPOTENCY_WINDOW, KeyRef,
    KeyStore, Organization, OriginEntry, Page, Revision, Secret, StoreError, Successor, Touched,
};
use doorward_types::{Environment, Locator, OrganizationId, SecretState};

use crate::connect::in_time;
use crate::error::{of_statement, unavailable};
use crate::row::{self, Param, bytes, number, text, texts};
use crate::transaction::{self, Commit};
use crate::{PostgresStore, audit, failover, hints, origins};

#[async_trait]
impl KeyStore for PostgresStore {
    async fn change(&self, change: Change, context: ChangeContext) -> Result<Revision, StoreError> {
        transaction::again(|| self.change_once(&change, &context)).await
    }

    async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, StoreError> {
        let id = id.to_string();
        let found = self.query("SELECT id, name, created_at FROM organizations WHERE id = $1", &[text(&id)]).await?;
        found.first().map(row::organization).transpose()
    }

    async fn organizations(&self, page: Page<OrganizationId>) -> Result<Vec<Organization>, StoreError> {
        let (after, limit) = (page.after.map(|id| id.to_string()), i64::from(page.limit));
        let sql = "SELECT id, name, created_at FROM organizations
                   WHERE $1 IS NULL OR id < $1 ORDER BY id DESC LIMIT $2";
        self.query(sql, &[text(&after), number(&limit)]).await?.iter().map(row::organization).collect()
    }

    async fn access_keys(&self, organization: OrganizationId) -> Result<Vec<AccessKeyWithSecrets>, StoreError> {
        let sql = format!(
            "SELECT {}, {}, k.generations FROM access_keys k
             JOIN secrets s ON s.organization = k.organization AND s.environment = k.environment
                           AND s.access_key = k.id
             WHERE k.organization = $1 ORDER BY k.environment, k.id, s.state",
            row::ACCESS_KEY,
            row::SECRET
        );
        let mut keys: Vec<AccessKeyWithSecrets> = Vec::new();
        for found in &self.query(&sql, &[text(&organization.to_string())]).await? {
            let (key, secret) = (row::access_key(found)?, row::secret(found, 6)?);
            match keys.last_mut() {
                Some(last) if last.key.id == key.id => last.secrets.push(secret),
                _ => {
                    keys.push(AccessKeyWithSecrets { key, generations: row::small(found, 11)?, secrets: vec![secret] })
                }
            }
        }
        Ok(keys)
    }

    async fn allowed_origins(&self, organization: OrganizationId) -> Result<Vec<OriginEntry>, StoreError> {
        let sql = format!("SELECT {} FROM allowed_origins a WHERE a.organization = $1 ORDER BY a.id", origins::COLUMNS);
        let found = self.query(&sql, &[text(&organization.to_string())]).await?;
        found.iter().map(|found| origins::entry(found, 0)).collect()
    }
}

impl PostgresStore {
    async fn change_once(&self, change: &Change, context: &ChangeContext) -> Result<Revision, StoreError> {
        let operation = context.operation.to_string();
        let mut client = self.client().await?;
        let work = async {
            let transaction = transaction::begin(&mut client).await?;
            // First of all, so that no one else changes what is looked at from here on.
            let revision = next_revision(&transaction, &change.touched(), context, self.timeline).await?;
            note_idempotency(&transaction, context).await?;
            apply(&transaction, change).await?;
            for event in context.events.iter() {
                audit::append(&transaction, event).await?;
            }
            Ok((transaction, revision))
        };
        let (transaction, revision) = in_time(work).await?;
        match transaction::commit(transaction).await {
            Commit::Done => {
                // A hint and no more: it may fail.
                if let Err(error) = client.batch_execute(hints::NOTIFY).await {
                    tracing::debug!(%error, "no hint was sent");
                }
                Ok(revision)
            }
            Commit::Failed(error) => Err(error),
            Commit::Unanswered => {
                drop(client);
                let found = self.look_up(&operation).await?;
                found.ok_or_else(|| unavailable("the connection broke at the commit, which did not happen"))
            }
        }
    }
}

/// Runs one statement of a change; how many rows it touched.
async fn execute(transaction: &Transaction<'_>, sql: &str, params: &[Param<'_>]) -> Result<u64, StoreError> {
    transaction.execute_typed(sql, params).await.map_err(of_statement)
}

async fn count(transaction: &Transaction<'_>, sql: &str, params: &[Param<'_>]) -> Result<u64, StoreError> {
    row::count(&transaction.query_typed_one(sql, params).await.map_err(of_statement)?, 0)
}

async fn note_idempotency(transaction: &Transaction<'_>, context: &ChangeContext) -> Result<(), StoreError> {
    let Some(key) = &context.idempotency_key else { return Ok(()) };
    let event = context.events.first();
    let now = event.time.as_millis();
    let forgotten = now.saturating_sub(i64::try_from(IDEMPOTENCY_WINDOW.as_millis()).unwrap_or(0));
    execute(transaction, "DELETE FROM idempotency_keys WHERE created_at <= $1", &[number(&forgotten)]).await?;
    let (actor, key) = (event.actor.as_str(), key.as_str());
    let known = transaction
        .query_typed(
            "SELECT subject FROM idempotency_keys WHERE actor = $1 AND idempotency_key = $2",
            &[text(&actor), text(&key)],
        )
        .await
        .map_err(of_statement)?;
    if let Some(known) = known.first() {
        return Err(StoreError::AlreadyDone { subject: row::get(known, 0)? });
    }
    let insert = "INSERT INTO idempotency_keys (actor, idempotency_key, subject, created_at) VALUES ($1, $2, $3, $4)";
    execute(transaction, insert, &[text(&actor), text(&key), text(&event.subject), number(&now)]).await?;
    Ok(())
}

async fn next_revision(
    transaction: &Transaction<'_>,
    touched: &[Touched],
    context: &ChangeContext,
    timeline: &str,
) -> Result<Revision, StoreError> {
    let next = format!("UPDATE revision SET value = value + 1 WHERE id = 1 RETURNING value, timeline, {timeline}");
    let next = transaction.query_typed(&next, &[]).await.map_err(of_statement)?;
    let next = next.first().ok_or(StoreError::Unfinished)?;
    let (revision, before, now) = (row::count(next, 0)?, row::get(next, 1)?, row::get(next, 2)?);
    if before != now {
        failover::note(transaction, before, now).await?;
    }
    let (node, operation) = (context.node.map(|node| node.to_string()), context.operation.to_string());
    let number_of = row::big(revision);
    for touched in touched {
        let touched = touched.to_string();
        let insert = "INSERT INTO changes (revision, touched, node, operation) VALUES ($1, $2, $3, $4)";
        execute(transaction, insert, &[number(&number_of), text(&touched), text(&node), text(&operation)]).await?;
    }
    let forgotten = row::big(revision.saturating_sub(CHANGE_LOG_LENGTH as u64));
    execute(transaction, "DELETE FROM changes WHERE revision < $1", &[number(&forgotten)]).await?;
    Ok(Revision(revision))
}

async fn apply(transaction: &Transaction<'_>, change: &Change) -> Result<(), StoreError> {
    match change {
        Change::Provision { organization, key, secret, only_if_empty } => {
            if *only_if_empty && count(transaction, "SELECT count(*) FROM organizations", &[]).await? > 0 {
                return Err(Conflict::NotEmpty.into());
            }
            let (id, name) = (organization.id.to_string(), organization.name.as_str());
            let created_at = organization.created_at.as_millis();
            let insert = "INSERT INTO organizations (id, name, created_at) VALUES ($1, $2, $3)";
            execute(transaction, insert, &[text(&id), text(&name), number(&created_at)]).await?;
            insert_key(transaction, key, secret).await
        }
        Change::Create { key, secret } => insert_key(transaction, key, secret).await,
        Change::Stage { key, secret } => {
            let [organization, environment, id] = place(key);
            let staged = "SELECT count(*) FROM secrets
                WHERE organization = $1 AND environment = $2 AND access_key = $3 AND state = 'staged'";
            if count(transaction, staged, &[text(&organization), text(&environment), text(&id)]).await? > 0 {
                return Err(Conflict::AlreadyStaged.into());
            }
            raise_generation(transaction, key, secret).await?;
            insert_secret(transaction, key, secret).await
        }
        Change::Unstage { key, staged } => delete_secret(transaction, key, *staged, &[SecretState::Staged]).await,
        Change::Regenerate { key, retired, successor } => {
            for locator in retired {
                delete_secret(transaction, key, *locator, ANY_STATE).await?;
            }
            match successor {
                Successor::Promote(locator) => promote(transaction, key, *locator).await?,
                Successor::Fresh(secret) => {
                    raise_generation(transaction, key, secret).await?;
                    insert_secret(transaction, key, secret).await?;
                }
            }
            let [organization, environment, id] = place(key);
            let left = "SELECT count(*) FROM secrets WHERE organization = $1 AND environment = $2 AND access_key = $3";
            let left = count(transaction, left, &[text(&organization), text(&environment), text(&id)]).await?;
            if left == 1 { Ok(()) } else { Err(Conflict::Stale.into()) }
        }
        Change::Delete { key, retired } => {
            if key.environment == Environment::Production {
                return Err(Conflict::Stale.into());
            }
            for locator in retired {
                delete_secret(transaction, key, *locator, ANY_STATE).await?;
            }
            let [organization, environment, id] = place(key);
            let delete = "DELETE FROM access_keys WHERE organization = $1 AND environment = $2 AND id = $3";
            let deleted = execute(transaction, delete, &[text(&organization), text(&environment), text(&id)]).await;
            match deleted {
                Ok(1) => Ok(()),
                Ok(_) => Err(StoreError::Missing),
                // A secret that the caller did not know of still hangs on the key.
                Err(StoreError::Missing) => Err(Conflict::Stale.into()),
                Err(other) => Err(other),
            }
        }
        Change::AllowOrigin { entry } => {
            let OriginEntry { id, organization, origin, created_at, created_by } = entry;
            let (organization, id, origin) = (organization.to_string(), id.to_string(), origin.to_string());
            let (created_at, created_by) = (created_at.as_millis(), created_by.as_str());
            let insert = "INSERT INTO allowed_origins (organization, id, origin, created_at, created_by)
                          VALUES ($1, $2, $3, $4, $5)";
            let params = [text(&organization), text(&id), text(&origin), number(&created_at), text(&created_by)];
            execute(transaction, insert, &params).await.map(drop)
        }
        Change::DisallowOrigin { organization, id } => {
            let delete = "DELETE FROM allowed_origins WHERE organization = $1 AND id = $2";
            let params = [organization.to_string(), id.to_string()];
            match execute(transaction, delete, &params.each_ref().map(text)).await? {
                1 => Ok(()),
                _ => Err(StoreError::Missing),
            }
        }
    }
}

const ANY_STATE: &[SecretState] = &[SecretState::Current, SecretState::Staged];

fn place(key: &KeyRef) -> [String; 3] {
    [key.organization.to_string(), key.environment.to_string(), key.id.to_string()]
}

async fn insert_key(transaction: &Transaction<'_>, key: &AccessKey, secret: &Secret) -> Result<(), StoreError> {
    let reference = KeyRef { organization: key.organization, environment: key.environment, id: key.id };
    let [organization, environment, id] = place(&reference);
    let slot = match key.environment {
        Environment::Production => &environment,
        Environment::Test => &id,
    };
    let (name, created_by) = (key.name.as_str(), key.created_by.as_str());
    let (generations, created_at) = (i64::from(secret.generation), key.created_at.as_millis());
    let insert =
        "INSERT INTO access_keys (organization, environment, id, slot, name, generations, created_at, created_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let params = [
        text(&organization),
        text(&environment),
        text(&id),
        text(slot),
        text(&name),
        number(&generations),
        number(&created_at),
        text(&created_by),
    ];
    execute(transaction, insert, &params).await?;
    insert_secret(transaction, &reference, secret).await
}

async fn insert_secret(transaction: &Transaction<'_>, key: &KeyRef, secret: &Secret) -> Result<(), StoreError> {
    let [organization, environment, id] = place(key);
    let (state, locator, digest) = (secret.state.as_str(), secret.locator.as_str(), secret.digest.to_bytes());
    let (digest, generation) = (digest.as_slice(), i64::from(secret.generation));
    let created_at = secret.created_at.as_millis();
    let insert =
        "INSERT INTO secrets (organization, environment, access_key, state, locator, digest, generation, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let params = [
        text(&organization),
        text(&environment),
        text(&id),
        text(&state),
        text(&locator),
        bytes(&digest),
        number(&generation),
        number(&created_at),
    ];
    execute(transaction, insert, &params).await.map(drop)
}

/// A generation is never used twice; whoever comes with an old one has not seen what happened since.
async fn raise_generation(transaction: &Transaction<'_>, key: &KeyRef, secret: &Secret) -> Result<(), StoreError> {
    let [organization, environment, id] = place(key);
    let generation = i64::from(secret.generation);
    let raise = "UPDATE access_keys SET generations = $4
                 WHERE organization = $1 AND environment = $2 AND id = $3 AND generations = $4 - 1";
    let params = [text(&organization), text(&environment), text(&id), number(&generation)];
    one(execute(transaction, raise, &params).await?)
}

async fn delete_secret(
    transaction: &Transaction<'_>,
    key: &KeyRef,
    locator: Locator,
    states: &[SecretState],
) -> Result<(), StoreError> {
    let [organization, environment, id] = place(key);
    let (locator, states) = (locator.as_str(), states.iter().map(|state| state.as_str()).collect::<Vec<_>>());
    let delete = "DELETE FROM secrets WHERE organization = $1 AND environment = $2 AND access_key = $3
                  AND locator = $4 AND state = ANY($5)";
    let params = [text(&organization), text(&environment), text(&id), text(&locator), texts(&states)];
    one(execute(transaction, delete, &params).await?)
}

async fn promote(transaction: &Transaction<'_>, key: &KeyRef, locator: Locator) -> Result<(), StoreError> {
    let [organization, environment, id] = place(key);
    let locator = locator.as_str();
    let promote = "UPDATE secrets SET state = 'current' WHERE organization = $1 AND environment = $2
                   AND access_key = $3 AND state = 'staged' AND locator = $4";
    let params = [text(&organization), text(&environment), text(&id), text(&locator)];
    one(execute(transaction, promote, &params).await?)
}

/// What was to be touched was there, as the caller saw it.
fn one(touched: u64) -> Result<(), StoreError> {
    if touched == 1 { Ok(()) } else { Err(Conflict::Stale.into()) }
}
