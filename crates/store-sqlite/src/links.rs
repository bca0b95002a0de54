//! Tries to link an account, and what is to be revoked at third parties.

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_key::Digest;
use doorward_store::{
    Conflict, Credential, CredentialKey, FoundLink, LINKS_KEPT, LinkSession, LinkSessions, LinkStatus, Record,
    Revocation, Revocations, Scope, Sealed, StoreError,
};
use doorward_types::{LinkSessionId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Params, Row, ToSql, params};

use crate::error::{of_read, unavailable};
use crate::tables::{PUT_CREDENTIAL, place, put_credential};
use crate::{SqliteStore, audit, row, sealing};

const INSERT: &str = "INSERT INTO links (organization, environment, id, registered_user, connector, start, state, plan,
                                         status, browser, confirmation, tokens, error, provider_error, expires_at)
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
const FIND: &str = "SELECT organization, environment, id, registered_user, connector, start, state, plan,
                           status, browser, confirmation, tokens, error, provider_error, expires_at FROM links";
const ADVANCE: &str = "UPDATE links SET status = ?4, browser = ?5, confirmation = ?6, tokens = ?7, error = ?8,
                                        provider_error = ?9, expires_at = ?10
                       WHERE organization = ?1 AND environment = ?2 AND id = ?3";
const COMPLETE: &str = "UPDATE links SET status = 'complete', confirmation = NULL, tokens = NULL
                        WHERE organization = ?1 AND environment = ?2 AND id = ?3";
const EXPIRE: &str = "UPDATE links SET status = 'expired', confirmation = NULL, tokens = NULL
                      WHERE expires_at <= ?1 AND status NOT IN ('complete', 'failed', 'expired')";

const ANY_EXPIRED: &str = "SELECT 1 FROM links
                           WHERE expires_at <= ?1 AND (status NOT IN ('complete', 'failed', 'expired') OR expires_at <= ?2)
                           LIMIT 1";

/// The beginning of every statement that revokes what sessions hold.
const REVOKE_TOKENS: &str =
    "INSERT INTO revocations (organization, environment, id, connector, record, sealed, attempts, due_at)
                             SELECT organization, environment, lower(hex(randomblob(16))), connector,
                                    'link-tokens/' || id || '/' || registered_user, tokens, 0, 0
                             FROM links WHERE tokens IS NOT NULL AND ";

/// The beginning of every statement that revokes credentials.
const REVOKE_CREDENTIALS: &str = "INSERT INTO revocations (organization, environment, id, connector, record, sealed, attempts, due_at)
                                  SELECT organization, environment, lower(hex(randomblob(16))), connector,
                                         registered_user || '/' || connector, sealed, 0, 0
                                  FROM credentials WHERE organization = ?1 AND environment = ?2 AND registered_user = ?3";

fn link(row: &Row<'_>) -> rusqlite::Result<FoundLink> {
    let digest = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<[u8; 32]>>(column)?.map(Digest::from_bytes));
    let session = LinkSession {
        id: row::parsed(row, 2)?,
        registered_user: row::parsed(row, 3)?,
        connector: row::parsed(row, 4)?,
        start: row::digest(row, 5)?,
        state: row::digest(row, 6)?,
        plan: Sealed::from_bytes(row.get(7)?),
        status: row::parsed(row, 8)?,
        browser: digest(9)?,
        confirmation: digest(10)?,
        tokens: row.get::<_, Option<Vec<u8>>>(11)?.map(Sealed::from_bytes),
        error: row.get(12)?,
        provider_error: row.get(13)?,
        expires_at: row::timestamp(row, 14)?,
    };
    Ok(FoundLink { organization: row::parsed(row, 0)?, environment: row::parsed(row, 1)?, session })
}

fn find(connection: &Connection, condition: &str, params: impl Params) -> Result<Option<FoundLink>, StoreError> {
    let mut find = connection.prepare_cached(&format!("{FIND} WHERE {condition}")).map_err(unavailable)?;
    find.query_row(params, link).optional().map_err(of_read)
}

fn find_in(
    connection: &Connection,
    (organization, environment): &(String, &'static str),
    id: LinkSessionId,
) -> Result<Option<LinkSession>, StoreError> {
    let key = params![organization, environment, id.to_string()];
    let found = find(connection, "organization = ?1 AND environment = ?2 AND id = ?3", key)?;
    Ok(found.map(|found| found.session))
}

fn revoke_tokens(connection: &Connection, condition: &str, params: impl Params) -> Result<(), StoreError> {
    row::write_some(connection, &format!("{REVOKE_TOKENS}{condition}"), params).map(drop)
}

fn expire(connection: &Connection, now: Timestamp) -> Result<(), StoreError> {
    let (now, forgotten) = (now.as_millis(), (now - LINKS_KEPT).as_millis());
    revoke_tokens(connection, "expires_at <= ?1", [now])?;
    row::write_some(connection, EXPIRE, [now])?;
    row::write_some(connection, "DELETE FROM links WHERE expires_at <= ?1", [forgotten]).map(drop)
}

/// Revokes what a user entrusted and what was to become that, before the user goes.
pub(crate) fn revoke_all_of(
    connection: &Connection,
    organization: &str,
    environment: &str,
    user: &str,
) -> Result<(), StoreError> {
    let params = params![organization, environment, user];
    row::write_some(connection, REVOKE_CREDENTIALS, params)?;
    revoke_tokens(connection, "organization = ?1 AND environment = ?2 AND registered_user = ?3", params)
}

/// Revokes a credential, before it goes or another one takes its place.
pub(crate) fn revoke_credential(
    connection: &Connection,
    organization: &str,
    environment: &str,
    key: &CredentialKey,
) -> Result<(), StoreError> {
    let params = params![organization, environment, key.registered_user.to_string(), key.connector.as_str()];
    row::write_some(connection, &format!("{REVOKE_CREDENTIALS} AND connector = ?4"), params).map(drop)
}

#[async_trait]
impl LinkSessions for SqliteStore {
    async fn open_link(&self, scope: &Scope, session: LinkSession, now: Timestamp) -> Result<(), StoreError> {
        let (organization, environment) = place(scope);
        self.write(move |connection| {
            expire(connection, now)?;
            sealing::check(connection, &session.plan)?;
            let (id, user) = (session.id.to_string(), session.registered_user.to_string());
            let (start, state) = (session.start.to_bytes(), session.state.to_bytes());
            let (connector, plan, status) =
                (session.connector.as_str(), session.plan.as_bytes(), session.status.as_str());
            let (browser, confirmation) = (bytes(session.browser), bytes(session.confirmation));
            let tokens = session.tokens.as_ref().map(Sealed::as_bytes);
            let (error, provider_error) = (&session.error, &session.provider_error);
            let expires_at = session.expires_at.as_millis();
            let columns: [&dyn ToSql; 15] = [
                &organization,
                &environment,
                &id,
                &user,
                &connector,
                &start,
                &state,
                &plan,
                &status,
                &browser,
                &confirmation,
                &tokens,
                error,
                provider_error,
                &expires_at,
            ];
            row::write(connection, INSERT, columns)
        })
        .await
    }

    async fn link(&self, scope: &Scope, id: LinkSessionId) -> Result<Option<LinkSession>, StoreError> {
        let place = place(scope);
        self.read(move |connection| find_in(connection, &place, id)).await
    }

    async fn link_by_start(&self, start: Digest) -> Result<Option<FoundLink>, StoreError> {
        self.read(move |connection| find(connection, "start = ?1", [start.to_bytes()])).await
    }

    async fn link_by_state(&self, state: Digest) -> Result<Option<FoundLink>, StoreError> {
        self.read(move |connection| find(connection, "state = ?1", [state.to_bytes()])).await
    }

    async fn advance_link(&self, scope: &Scope, from: LinkStatus, session: LinkSession) -> Result<(), StoreError> {
        let place = place(scope);
        self.write(move |connection| {
            let known = find_in(connection, &place, session.id)?.ok_or(StoreError::Missing)?;
            if known.status != from {
                return Err(Conflict::Stale.into());
            }
            let ((organization, environment), id) = (&place, session.id.to_string());
            match &session.tokens {
                None => {
                    let key = params![organization, environment, id];
                    revoke_tokens(connection, "organization = ?1 AND environment = ?2 AND id = ?3", key)?;
                }
                tokens if *tokens == known.tokens => {}
                Some(tokens) => sealing::check(connection, tokens)?,
            }
            let advanced = params![
                organization,
                environment,
                id,
                session.status.as_str(),
                bytes(session.browser),
                bytes(session.confirmation),
                session.tokens.as_ref().map(Sealed::as_bytes),
                session.error,
                session.provider_error,
                session.expires_at.as_millis(),
            ];
            row::write(connection, ADVANCE, advanced)
        })
        .await
    }

    async fn complete_link(
        &self,
        scope: &Scope,
        id: LinkSessionId,
        credential: Credential,
        event: EventDraft,
    ) -> Result<(), StoreError> {
        let place = place(scope);
        self.write(move |connection| {
            let known = find_in(connection, &place, id)?.ok_or(StoreError::Missing)?;
            known.may_become(&credential)?;
            let (organization, environment) = &place;
            revoke_credential(connection, organization, environment, &credential.key())?;
            put_credential(connection, PUT_CREDENTIAL, organization, environment, &credential)?;
            row::write(connection, COMPLETE, params![organization, environment, id.to_string()])?;
            audit::append(connection, &event)
        })
        .await
    }

    async fn expire_links(&self, now: Timestamp) -> Result<(), StoreError> {
        let (moment, forgotten) = (now.as_millis(), (now - LINKS_KEPT).as_millis());
        let any = self.read(move |connection| {
            let mut any = connection.prepare_cached(ANY_EXPIRED).map_err(unavailable)?;
            any.exists([moment, forgotten]).map_err(unavailable)
        });
        // Most of the time there is nothing, and nobody has to wait for the disk to hear so.
        match any.await? {
            true => self.write(move |connection| expire(connection, now)).await,
            false => Ok(()),
        }
    }
}

fn bytes(digest: Option<Digest>) -> Option<[u8; 32]> {
    digest.map(Digest::to_bytes)
}

const TAKE: &str = "UPDATE revocations SET due_at = ?2, attempts = attempts + 1
                    WHERE (organization, environment, id) IN (
                        SELECT organization, environment, id FROM revocations
                        WHERE due_at <= ?1 ORDER BY due_at LIMIT ?3
                    )
                    RETURNING organization, environment, id, connector, record, sealed, attempts";

fn revocation(row: &Row<'_>) -> rusqlite::Result<Revocation> {
    Ok(Revocation {
        organization: row::parsed(row, 0)?,
        environment: row::parsed(row, 1)?,
        id: row.get(2)?,
        connector: row::parsed(row, 3)?,
        record: row.get(4)?,
        sealed: Sealed::from_bytes(row.get(5)?),
        attempts: row.get(6)?,
    })
}

#[async_trait]
impl Revocations for SqliteStore {
    async fn take_revocations(
        &self,
        now: Timestamp,
        next: Timestamp,
        limit: u32,
    ) -> Result<Vec<Revocation>, StoreError> {
        let is_due = "SELECT 1 FROM revocations WHERE due_at <= ?1 LIMIT 1";
        let any = self.read(move |connection| {
            let mut any = connection.prepare_cached(is_due).map_err(unavailable)?;
            any.exists([now.as_millis()]).map_err(unavailable)
        });
        // Most of the time there is nothing, and nobody has to wait for the disk to hear so.
        if !any.await? {
            return Ok(vec![]);
        }
        self.write(move |connection| {
            let mut take = connection.prepare_cached(TAKE).map_err(unavailable)?;
            take.query_map(params![now.as_millis(), next.as_millis(), limit], revocation)
                .and_then(Iterator::collect)
                .map_err(of_read)
        })
        .await
    }

    async fn postpone_revocation(&self, revocation: &Revocation, until: Timestamp) -> Result<(), StoreError> {
        let (organization, environment, id) = key_of(revocation);
        self.write(move |connection| {
            let postpone =
                "UPDATE revocations SET due_at = ?4 WHERE organization = ?1 AND environment = ?2 AND id = ?3";
            row::write(connection, postpone, params![organization, environment, id, until.as_millis()])
        })
        .await
    }

    async fn end_revocation(&self, revocation: &Revocation) -> Result<(), StoreError> {
        let (organization, environment, id) = key_of(revocation);
        self.write(move |connection| {
            let end = "DELETE FROM revocations WHERE organization = ?1 AND environment = ?2 AND id = ?3";
            row::write(connection, end, params![organization, environment, id])
        })
        .await
    }
}

fn key_of(revocation: &Revocation) -> (String, &'static str, String) {
    (revocation.organization.to_string(), revocation.environment.as_str(), revocation.id.clone())
}
