//! Links and sessions by which operators sign in to the page.

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_key::Digest;
use doorward_store::{Operator, SignIn, SignIns, StoreError};
use doorward_types::{OperatorId, Timestamp};
use rusqlite::{OptionalExtension, Row, params};

use crate::error::{of_read, of_write, unavailable};
use crate::operators::operator;
use crate::{SqliteStore, audit, row};

fn sign_in(row: &Row<'_>) -> rusqlite::Result<(SignIn, Operator)> {
    let operator = operator(row)?;
    let sign_in = SignIn {
        token: row::digest(row, 8)?,
        kind: row::parsed(row, 9)?,
        operator: operator.id,
        created_at: row::timestamp(row, 10)?,
        seen_at: row::timestamp(row, 11)?,
        expires_at: row::timestamp(row, 12)?,
    };
    Ok((sign_in, operator))
}

#[async_trait]
impl SignIns for SqliteStore {
    async fn add_sign_in(&self, sign_in: SignIn, spent: Option<Digest>, event: EventDraft) -> Result<bool, StoreError> {
        self.write(move |connection| {
            let now = sign_in.created_at.as_millis();
            connection.execute("DELETE FROM sign_ins WHERE expires_at <= ?1", [now]).map_err(of_write)?;
            let take = "DELETE FROM sign_ins WHERE token = ?1";
            if let Some(link) = spent
                && connection.execute(take, [link.to_bytes()]).map_err(of_write)? == 0
            {
                return Ok(false);
            }
            let SignIn { token, kind, operator, created_at, seen_at, expires_at } = sign_in;
            let insert = "INSERT INTO sign_ins (token, kind, operator, created_at, seen_at, expires_at)
                          VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let params = params![
                token.to_bytes(),
                kind.as_str(),
                operator.to_string(),
                created_at.as_millis(),
                seen_at.as_millis(),
                expires_at.as_millis(),
            ];
            connection.execute(insert, params).map_err(of_write)?;
            audit::append(connection, &event).map(|()| true)
        })
        .await
    }

    async fn sign_in(&self, token: Digest, now: Timestamp) -> Result<Option<(SignIn, Operator)>, StoreError> {
        self.read(move |connection| {
            let mut find = connection
                .prepare_cached(
                    "SELECT o.id, o.name, o.locator, o.digest, o.created_at, o.by_provider, o.issuer, o.subject,
                            s.token, s.kind, s.created_at, s.seen_at, s.expires_at
                     FROM sign_ins s JOIN operators o ON o.id = s.operator
                     WHERE s.token = ?1 AND s.expires_at > ?2",
                )
                .map_err(unavailable)?;
            find.query_row(params![token.to_bytes(), now.as_millis()], sign_in).optional().map_err(of_read)
        })
        .await
    }

    async fn take_sign_in(&self, token: Digest, event: EventDraft) -> Result<bool, StoreError> {
        self.write(move |connection| {
            let taken = connection.execute("DELETE FROM sign_ins WHERE token = ?1", [token.to_bytes()]);
            audit::append_if(connection, taken.map_err(of_write)? == 1, &event)
        })
        .await
    }

    async fn see_sign_in(&self, token: Digest, at: Timestamp) -> Result<(), StoreError> {
        self.write(move |connection| {
            let see = "UPDATE sign_ins SET seen_at = ?2 WHERE token = ?1";
            connection.execute(see, params![token.to_bytes(), at.as_millis()]).map(drop).map_err(of_write)
        })
        .await
    }

    async fn take_sign_ins(&self, operator: OperatorId, event: EventDraft) -> Result<u64, StoreError> {
        self.write(move |connection| {
            let taken = connection.execute("DELETE FROM sign_ins WHERE operator = ?1", [operator.to_string()]);
            let taken = taken.map_err(of_write)?;
            audit::append_if(connection, taken > 0, &event)?;
            Ok(taken as u64)
        })
        .await
    }
}
