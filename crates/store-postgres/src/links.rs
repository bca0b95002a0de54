//! Link sessions, and the revocations that are due at third parties.

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_key::Digest;
use doorward_records::{
    Credential, Erasure, FoundLink, LinkSession, LinkSessions, LinkStatus, Record, Revocation, Revocations,
};
use doorward_store::{Conflict, Scope, StoreError};
use doorward_store_sql::erasing;
use doorward_store_sql::links;
use doorward_store_sql::revoking::Revoking;
use doorward_store_sql::table;
use doorward_store_sql::{Statement, sql};
use doorward_types::{LinkSessionId, RegisteredUserId, Timestamp};

use crate::transaction::{Answers, Decision};
use crate::{PostgresStore, row, sealing};

/// Locks the sessions that are about to expire, so that no session is completed between its revocation and its end.
fn lock_expired(now: Timestamp) -> Statement {
    sql("SELECT id FROM links WHERE expires_at <= $1 FOR UPDATE").bind(&now)
}

/// Reads a session, and locks it.
fn lock_link(scope: &Scope, id: LinkSessionId) -> Statement {
    links::find(scope, id).and(" FOR UPDATE")
}

/// Reads the session that the transaction has locked.
fn locked(answers: &mut Answers) -> Result<LinkSession, StoreError> {
    let found: Option<FoundLink> = row::first(&answers.next().unwrap_or_default())?;
    found.map(|found| found.session).ok_or(StoreError::NotFound)
}

/// Returns the statement that locks a user. It returns a row if the user exists.
pub(crate) fn lock_user(scope: &Scope, user: RegisteredUserId) -> Statement {
    let lock = "SELECT id FROM registered_users
                WHERE organization = $1 AND environment = $2 AND id = $3 FOR UPDATE";
    sql(lock).scope(scope).bind(&user)
}

/// Returns the statement that locks a user's sessions, so that no session is completed before the user is deleted.
pub(crate) fn lock_links_of(scope: &Scope, user: RegisteredUserId) -> Statement {
    let lock = "SELECT id FROM links
                WHERE organization = $1 AND environment = $2 AND registered_user = $3 FOR UPDATE";
    sql(lock).scope(scope).bind(&user)
}

#[async_trait]
impl LinkSessions for PostgresStore {
    async fn open_link(&self, scope: &Scope, session: LinkSession, now: Timestamp) -> Result<(), StoreError> {
        self.expire_links(now).await?;
        self.write_sealed(&session.plan, links::open(scope, &session)).await
    }

    async fn link(&self, scope: &Scope, id: LinkSessionId) -> Result<Option<LinkSession>, StoreError> {
        Ok(self.find(links::find(scope, id)).await?.map(|found: FoundLink| found.session))
    }

    async fn link_by_start(&self, start: Digest) -> Result<Option<FoundLink>, StoreError> {
        self.find(links::find_by_start(start)).await
    }

    async fn link_by_state(&self, state: Digest) -> Result<Option<FoundLink>, StoreError> {
        self.find(links::find_by_state(state)).await
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
            let revoke = session.tokens.is_none().then(|| Revoking::POSTGRES.tokens(scope, session.id));
            Ok(Decision::write(revoke.into_iter().chain([links::advance(scope, &session)]).collect(), ()))
        };
        // The store's row is always locked first.
        self.pool.write(&[sealing::named(), lock_link(scope, session.id)], decide).await
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
            locked(&mut answers)?.may_become(&credential)?;
            let writes = vec![
                Revoking::POSTGRES.credential(scope, &credential.key()),
                table::put(scope, &credential),
                links::complete(scope, id),
            ];
            Ok((Some(writes), ()))
        };
        // The user is always locked before the session: one order of locks prevents deadlocks.
        let reads = vec![sealing::named(), lock_user(scope, credential.registered_user), lock_link(scope, id)];
        self.write_telling(reads, &event, decide).await
    }

    async fn expire_links(&self, now: Timestamp) -> Result<(), StoreError> {
        if self.query(links::any_expired(now)).await?.is_empty() {
            return Ok(());
        }
        let expire = |_| Ok(Decision::write(Revoking::POSTGRES.expire(now).into(), ()));
        self.pool.write(&[lock_expired(now)], expire).await
    }
}

#[async_trait]
impl Revocations for PostgresStore {
    async fn take_revocations(
        &self,
        now: Timestamp,
        next: Timestamp,
        limit: u32,
    ) -> Result<Vec<Revocation>, StoreError> {
        self.list(links::take_due(now, next, limit)).await
    }

    async fn postpone_revocation(&self, revocation: &Revocation, until: Timestamp) -> Result<(), StoreError> {
        self.write_one(links::postpone(revocation, until)).await
    }

    async fn end_revocation(&self, revocation: &Revocation) -> Result<(), StoreError> {
        self.write_one(links::end(revocation)).await
    }
}

#[async_trait]
impl Erasure for PostgresStore {
    async fn erase_closed(&self, now: Timestamp) -> Result<(), StoreError> {
        if self.query(erasing::any_due(now)).await?.is_empty() {
            return Ok(());
        }
        let erase = |_| Ok(Decision::write(erasing::erase(&Revoking::POSTGRES, now), ()));
        self.pool.write(&erasing::lock_due(now), erase).await
    }
}
