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
use doorward_types::{LinkSessionId, Timestamp};
use rusqlite::Connection;

use crate::{SqliteStore, logs, row, sealing};

fn known(connection: &Connection, scope: &Scope, id: LinkSessionId) -> Result<LinkSession, StoreError> {
    let found: Option<FoundLink> = row::find(connection, &links::find(scope, id))?;
    found.map(|found| found.session).ok_or(StoreError::NotFound)
}

#[async_trait]
impl LinkSessions for SqliteStore {
    async fn open_link(&self, scope: &Scope, session: LinkSession, now: Timestamp) -> Result<(), StoreError> {
        let open = links::open(scope, &session);
        self.write(move |connection| {
            row::write_all(connection, &Revoking::SQLITE.expire(now))?;
            sealing::check(connection, Some(&session.plan))?;
            row::write(connection, &open)
        })
        .await
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
        let scope = *scope;
        self.write(move |connection| {
            let known = known(connection, &scope, session.id)?;
            if known.status != from {
                return Err(Conflict::Stale.into());
            }
            if session.tokens.is_none() {
                row::write_some(connection, &Revoking::SQLITE.tokens(&scope, session.id))?;
            }
            if session.tokens != known.tokens {
                sealing::check(connection, session.tokens.as_ref())?;
            }
            row::write(connection, &links::advance(&scope, &session))
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
        let scope = *scope;
        self.write(move |connection| {
            known(connection, &scope, id)?.may_become(&credential)?;
            sealing::check(connection, Some(&credential.sealed))?;
            row::write_some(connection, &Revoking::SQLITE.credential(&scope, &credential.key()))?;
            row::write(connection, &table::put(&scope, &credential))?;
            row::write(connection, &links::complete(&scope, id))?;
            logs::append(connection, &event)
        })
        .await
    }

    async fn expire_links(&self, now: Timestamp) -> Result<(), StoreError> {
        let any = links::any_expired(now);
        // Usually there is nothing to do, and a read tells so without a wait for the disk.
        match self.read(move |connection| row::exists(connection, &any)).await? {
            true => self.write(move |connection| row::write_all(connection, &Revoking::SQLITE.expire(now))).await,
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Revocations for SqliteStore {
    async fn take_revocations(
        &self,
        now: Timestamp,
        next: Timestamp,
        limit: u32,
    ) -> Result<Vec<Revocation>, StoreError> {
        let (any, take) = (links::any_due(now), links::take_due(now, next, limit));
        // Usually there is nothing to do, and a read tells so without a wait for the disk.
        match self.read(move |connection| row::exists(connection, &any)).await? {
            true => self.write(move |connection| row::list(connection, &take)).await,
            false => Ok(vec![]),
        }
    }

    async fn postpone_revocation(&self, revocation: &Revocation, until: Timestamp) -> Result<(), StoreError> {
        self.write_one(links::postpone(revocation, until)).await
    }

    async fn end_revocation(&self, revocation: &Revocation) -> Result<(), StoreError> {
        self.write_one(links::end(revocation)).await
    }
}

#[async_trait]
impl Erasure for SqliteStore {
    async fn erase_closed(&self, now: Timestamp) -> Result<(), StoreError> {
        let (any, erase) = (erasing::any_due(now), erasing::erase(&Revoking::SQLITE, now));
        // Usually there is nothing to do, and a read tells so without a wait for the disk.
        match self.read(move |connection| row::exists(connection, &any)).await? {
            true => self.write(move |connection| row::write_all(connection, &erase)).await,
            false => Ok(()),
        }
    }
}
