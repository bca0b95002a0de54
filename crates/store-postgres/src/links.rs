//! Tries to link an account, and what is to be revoked at third parties.

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_key::Digest;
use doorward_store::{
    Conflict, Credential, CredentialKey, FoundLink, LINKS_KEPT, LinkSession, LinkSessions, LinkStatus, Record,
    Revocation, Revocations, Scope, Sealed, StoreError,
};
use doorward_types::{LinkSessionId, RegisteredUserId, Timestamp};
use tokio_postgres::Row;

use crate::statement::{Statement, of_scope, sql};
use crate::tables::put_credential;
use crate::transaction::{Answers, Decision};
use crate::{PostgresStore, row, sealing};

const INSERT: &str = "INSERT INTO links (organization, environment, id, registered_user, connector, start, state, plan,
                                         status, browser, confirmation, tokens, error, provider_error, expires_at)
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
const FIND: &str = "SELECT organization, environment, id, registered_user, connector, start, state, plan,
                           status, browser, confirmation, tokens, error, provider_error, expires_at FROM links";
const ADVANCE: &str = "UPDATE links SET status = $4, browser = $5, confirmation = $6, tokens = $7, error = $8,
                                        provider_error = $9, expires_at = $10
                       WHERE organization = $1 AND environment = $2 AND id = $3";
const COMPLETE: &str = "UPDATE links SET status = 'complete', confirmation = NULL, tokens = NULL
                        WHERE organization = $1 AND environment = $2 AND id = $3";
const EXPIRE: &str = "UPDATE links SET status = 'expired', confirmation = NULL, tokens = NULL
                      WHERE expires_at <= $1 AND status NOT IN ('complete', 'failed', 'expired')";
const ANY_EXPIRED: &str = "SELECT 1 FROM links
                           WHERE expires_at <= $1 AND (status NOT IN ('complete', 'failed', 'expired') OR expires_at <= $2)
                           LIMIT 1";

/// Locks the sessions that are about to expire, so that none of them is completed between its revocation and its end.
const LOCK_EXPIRED: &str = "SELECT id FROM links WHERE expires_at <= $1 FOR UPDATE";

/// The beginning of every statement that revokes what sessions hold.
const REVOKE_TOKENS: &str =
    "INSERT INTO revocations (organization, environment, id, connector, record, sealed, attempts, due_at)
                             SELECT organization, environment, md5(random()::text), connector,
                                    'link-tokens/' || id || '/' || registered_user, tokens, 0, 0
                             FROM links WHERE tokens IS NOT NULL AND ";

/// The beginning of every statement that revokes credentials.
const REVOKE_CREDENTIALS: &str = "INSERT INTO revocations (organization, environment, id, connector, record, sealed, attempts, due_at)
                                  SELECT organization, environment, md5(random()::text), connector,
                                         registered_user || '/' || connector, sealed, 0, 0
                                  FROM credentials WHERE organization = $1 AND environment = $2 AND registered_user = $3";

fn link(row: &Row) -> Result<FoundLink, StoreError> {
    let digest = |column| {
        let bytes = row::get::<Option<&[u8]>>(row, column)?;
        bytes.map(|_| row::digest(row, column)).transpose()
    };
    let session = LinkSession {
        id: row::parsed(row, 2)?,
        registered_user: row::parsed(row, 3)?,
        connector: row::parsed(row, 4)?,
        start: row::digest(row, 5)?,
        state: row::digest(row, 6)?,
        plan: Sealed::from_bytes(row::get(row, 7)?),
        status: row::parsed(row, 8)?,
        browser: digest(9)?,
        confirmation: digest(10)?,
        tokens: row::get::<Option<Vec<u8>>>(row, 11)?.map(Sealed::from_bytes),
        error: row::get(row, 12)?,
        provider_error: row::get(row, 13)?,
        expires_at: row::timestamp(row, 14)?,
    };
    Ok(FoundLink { organization: row::parsed(row, 0)?, environment: row::parsed(row, 1)?, session })
}

fn find(condition: &str) -> String {
    format!("{FIND} WHERE {condition}")
}

fn find_in(scope: &Scope, id: LinkSessionId, lock: &str) -> Statement {
    of_scope(find(&format!("organization = $1 AND environment = $2 AND id = $3{lock}")), scope).text(id)
}

fn bytes(digest: Option<Digest>) -> Option<[u8; 32]> {
    digest.map(Digest::to_bytes)
}

/// Reads the session of a transaction that has locked it.
fn locked(answers: &mut Answers) -> Result<LinkSession, StoreError> {
    let found = answers.next().unwrap_or_default();
    Ok(link(found.first().ok_or(StoreError::Missing)?)?.session)
}

fn expire(now: Timestamp) -> Vec<Statement> {
    let (now, forgotten) = (now.as_millis(), (now - LINKS_KEPT).as_millis());
    vec![
        sql(format!("{REVOKE_TOKENS}expires_at <= $1")).number(now),
        sql(EXPIRE).number(now),
        sql("DELETE FROM links WHERE expires_at <= $1").number(forgotten),
    ]
}

/// Returns the lock of all that a user entrusted. Its rows tell whether the user exists.
pub(crate) fn lock_user(scope: &Scope, user: RegisteredUserId) -> Statement {
    let lock = "SELECT id FROM registered_users
                WHERE organization = $1 AND environment = $2 AND id = $3 FOR UPDATE";
    of_scope(lock, scope).text(user)
}

/// Returns the lock of a user's sessions, so that none of them is completed before the user goes.
pub(crate) fn lock_links_of(scope: &Scope, user: RegisteredUserId) -> Statement {
    let lock = "SELECT id FROM links
                WHERE organization = $1 AND environment = $2 AND registered_user = $3 FOR UPDATE";
    of_scope(lock, scope).text(user)
}

/// Revokes what a user entrusted and what was to become that, before the user goes.
pub(crate) fn revoke_all_of(scope: &Scope, user: RegisteredUserId) -> [Statement; 2] {
    let tokens = format!("{REVOKE_TOKENS}organization = $1 AND environment = $2 AND registered_user = $3");
    [of_scope(REVOKE_CREDENTIALS, scope).text(user), of_scope(tokens, scope).text(user)]
}

/// Revokes a credential, before it goes or another one takes its place.
pub(crate) fn revoke_credential(scope: &Scope, key: &CredentialKey) -> Statement {
    let revoke = format!("{REVOKE_CREDENTIALS} AND connector = $4");
    of_scope(revoke, scope).text(key.registered_user).text(&key.connector)
}

#[async_trait]
impl LinkSessions for PostgresStore {
    async fn open_link(&self, scope: &Scope, session: LinkSession, now: Timestamp) -> Result<(), StoreError> {
        self.expire_links(now).await?;
        let insert = || {
            let insert =
                of_scope(INSERT, scope).text(session.id).text(session.registered_user).text(&session.connector);
            let insert = insert.bytes(session.start.to_bytes()).bytes(session.state.to_bytes());
            let insert = insert.bytes(session.plan.as_bytes()).text(session.status);
            let insert = insert.bytes_or_null(bytes(session.browser)).bytes_or_null(bytes(session.confirmation));
            let insert = insert.bytes_or_null(session.tokens.as_ref().map(Sealed::as_bytes));
            let insert = insert.text_or_null(session.error.as_ref()).text_or_null(session.provider_error.as_ref());
            insert.number(session.expires_at.as_millis())
        };
        self.write_sealed(&session.plan, insert).await
    }

    async fn link(&self, scope: &Scope, id: LinkSessionId) -> Result<Option<LinkSession>, StoreError> {
        let found = self.query(find_in(scope, id, "")).await?.first().map(link).transpose()?;
        Ok(found.map(|found| found.session))
    }

    async fn link_by_start(&self, start: Digest) -> Result<Option<FoundLink>, StoreError> {
        self.query(sql(find("start = $1")).bytes(start.to_bytes())).await?.first().map(link).transpose()
    }

    async fn link_by_state(&self, state: Digest) -> Result<Option<FoundLink>, StoreError> {
        self.query(sql(find("state = $1")).bytes(state.to_bytes())).await?.first().map(link).transpose()
    }

    async fn advance_link(&self, scope: &Scope, from: LinkStatus, session: LinkSession) -> Result<(), StoreError> {
        let decide = |mut answers: Answers| {
            let named = answers.next();
            let known = locked(&mut answers)?;
            if known.status != from {
                return Err(Conflict::Stale.into());
            }
            if let Some(tokens) = session.tokens.as_ref().filter(|_| session.tokens != known.tokens) {
                sealing::check(named, tokens)?;
            }
            let revoke = format!("{REVOKE_TOKENS}organization = $1 AND environment = $2 AND id = $3");
            let revoke = session.tokens.is_none().then(|| of_scope(revoke, scope).text(session.id));
            let advance = of_scope(ADVANCE, scope).text(session.id).text(session.status);
            let advance = advance.bytes_or_null(bytes(session.browser)).bytes_or_null(bytes(session.confirmation));
            let advance = advance.bytes_or_null(session.tokens.as_ref().map(Sealed::as_bytes));
            let advance = advance.text_or_null(session.error.as_ref()).text_or_null(session.provider_error.as_ref());
            let advance = advance.number(session.expires_at.as_millis());
            Ok(Decision::write(revoke.into_iter().chain([advance]).collect(), ()))
        };
        // The store's row first, as everywhere.
        self.pool.write(&[sealing::named(), find_in(scope, session.id, " FOR UPDATE")], decide).await
    }

    async fn complete_link(
        &self,
        scope: &Scope,
        id: LinkSessionId,
        credential: Credential,
        event: EventDraft,
    ) -> Result<(), StoreError> {
        let decide = |mut answers: Answers| {
            sealing::check(answers.next(), &credential.sealed)?;
            let _user = answers.next();
            let known = locked(&mut answers)?;
            known.may_become(&credential)?;
            let writes = vec![
                revoke_credential(scope, &credential.key()),
                put_credential(scope, &credential),
                of_scope(COMPLETE, scope).text(id),
            ];
            Ok((Some(writes), ()))
        };
        // The user first, as everywhere: in one order, nobody waits for each other.
        let reads =
            vec![sealing::named(), lock_user(scope, credential.registered_user), find_in(scope, id, " FOR UPDATE")];
        self.write_telling(reads, &event, decide).await
    }

    async fn expire_links(&self, now: Timestamp) -> Result<(), StoreError> {
        let forgotten = (now - LINKS_KEPT).as_millis();
        let any = sql(ANY_EXPIRED).number(now.as_millis()).number(forgotten);
        if self.query(any).await?.is_empty() {
            return Ok(());
        }
        let lock = [sql(LOCK_EXPIRED).number(now.as_millis())];
        self.pool.write(&lock, |_| Ok(Decision::write(expire(now), ()))).await
    }
}

const TAKE: &str = "UPDATE revocations SET due_at = $2, attempts = attempts + 1
                    WHERE due_at <= $1 AND (organization, environment, id) IN (
                        SELECT organization, environment, id FROM revocations
                        WHERE due_at <= $1 ORDER BY due_at LIMIT $3
                    )
                    RETURNING organization, environment, id, connector, record, sealed, attempts";

fn revocation(row: &Row) -> Result<Revocation, StoreError> {
    Ok(Revocation {
        organization: row::parsed(row, 0)?,
        environment: row::parsed(row, 1)?,
        id: row::get(row, 2)?,
        connector: row::parsed(row, 3)?,
        record: row::get(row, 4)?,
        sealed: Sealed::from_bytes(row::get(row, 5)?),
        attempts: row::small(row, 6)?,
    })
}

impl PostgresStore {
    /// Runs a statement about one revocation, whose first three parameters name it.
    async fn write_revocation(&self, write: Statement) -> Result<(), StoreError> {
        if self.execute(write).await? == 1 { Ok(()) } else { Err(StoreError::Missing) }
    }
}

fn of_revocation(text: &'static str, revocation: &Revocation) -> Statement {
    sql(text).text(revocation.organization).text(revocation.environment).text(&revocation.id)
}

#[async_trait]
impl Revocations for PostgresStore {
    async fn take_revocations(
        &self,
        now: Timestamp,
        next: Timestamp,
        limit: u32,
    ) -> Result<Vec<Revocation>, StoreError> {
        let take = sql(TAKE).number(now.as_millis()).number(next.as_millis()).number(i64::from(limit));
        self.query(take).await?.iter().map(revocation).collect()
    }

    async fn postpone_revocation(&self, revocation: &Revocation, until: Timestamp) -> Result<(), StoreError> {
        let postpone = "UPDATE revocations SET due_at = $4 WHERE organization = $1 AND environment = $2 AND id = $3";
        self.write_revocation(of_revocation(postpone, revocation).number(until.as_millis())).await
    }

    async fn end_revocation(&self, revocation: &Revocation) -> Result<(), StoreError> {
        let end = "DELETE FROM revocations WHERE organization = $1 AND environment = $2 AND id = $3";
        self.write_revocation(of_revocation(end, revocation)).await
    }
}
