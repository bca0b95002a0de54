//! How operators sign in to the page.

use async_trait::async_trait;
use doorward_key::Digest;
use doorward_store::{Operator, SignIn, SignIns, StoreError};
use doorward_types::{OperatorId, Timestamp};
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::operators::operator;
use crate::row::{self, bytes, number, text};

fn sign_in(row: &Row) -> Result<(SignIn, Operator), StoreError> {
    let operator = operator(row)?;
    let sign_in = SignIn {
        token: row::digest(row, 5)?,
        kind: row::parsed(row, 6)?,
        operator: operator.id,
        created_at: row::timestamp(row, 7)?,
        seen_at: row::timestamp(row, 8)?,
        expires_at: row::timestamp(row, 9)?,
    };
    Ok((sign_in, operator))
}

#[async_trait]
impl SignIns for PostgresStore {
    async fn add_sign_in(&self, sign_in: SignIn) -> Result<(), StoreError> {
        let SignIn { token, kind, operator, created_at, seen_at, expires_at } = sign_in;
        let (token, kind, operator) = (token.to_bytes(), kind.as_str(), operator.to_string());
        let (token, created_at) = (token.as_slice(), created_at.as_millis());
        let (seen_at, expires_at) = (seen_at.as_millis(), expires_at.as_millis());
        self.execute("DELETE FROM sign_ins WHERE expires_at <= $1", &[number(&created_at)]).await?;
        let insert = "INSERT INTO sign_ins (token, kind, operator, created_at, seen_at, expires_at)
                      VALUES ($1, $2, $3, $4, $5, $6)";
        let params =
            [bytes(&token), text(&kind), text(&operator), number(&created_at), number(&seen_at), number(&expires_at)];
        self.execute(insert, &params).await.map(drop)
    }

    async fn sign_in(&self, token: Digest, now: Timestamp) -> Result<Option<(SignIn, Operator)>, StoreError> {
        let (token, now) = (token.to_bytes(), now.as_millis());
        let token = token.as_slice();
        let find = "SELECT o.id, o.name, o.locator, o.digest, o.created_at,
                           s.token, s.kind, s.created_at, s.seen_at, s.expires_at
                    FROM sign_ins s JOIN operators o ON o.id = s.operator
                    WHERE s.token = $1 AND s.expires_at > $2";
        self.query(find, &[bytes(&token), number(&now)]).await?.first().map(sign_in).transpose()
    }

    async fn take_sign_in(&self, token: Digest) -> Result<bool, StoreError> {
        let token = token.to_bytes();
        let token = token.as_slice();
        Ok(self.execute("DELETE FROM sign_ins WHERE token = $1", &[bytes(&token)]).await? == 1)
    }

    async fn see_sign_in(&self, token: Digest, at: Timestamp) -> Result<(), StoreError> {
        let (token, at) = (token.to_bytes(), at.as_millis());
        let token = token.as_slice();
        let see = "UPDATE sign_ins SET seen_at = $2 WHERE token = $1";
        self.execute(see, &[bytes(&token), number(&at)]).await.map(drop)
    }

    async fn take_sign_ins(&self, operator: OperatorId) -> Result<u64, StoreError> {
        let operator = operator.to_string();
        self.execute("DELETE FROM sign_ins WHERE operator = $1", &[text(&operator)]).await
    }
}
