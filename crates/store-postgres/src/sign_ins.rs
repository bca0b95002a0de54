//! How operators sign in to the page.

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_key::Digest;
use doorward_store::{Operator, SignIn, SignIns, StoreError};
use doorward_types::{OperatorId, Timestamp};
use tokio_postgres::Row;

use crate::operators::operator;
use crate::statement::{Statement, sql};
use crate::transaction::Answers;
use crate::{PostgresStore, row};

fn sign_in(row: &Row) -> Result<(SignIn, Operator), StoreError> {
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

fn take(token: Digest) -> Statement {
    sql("DELETE FROM sign_ins WHERE token = $1 RETURNING operator").bytes(token.to_bytes())
}

#[async_trait]
impl SignIns for PostgresStore {
    async fn add_sign_in(&self, sign_in: SignIn, spent: Option<Digest>, event: EventDraft) -> Result<bool, StoreError> {
        let SignIn { token, kind, operator, created_at, seen_at, expires_at } = sign_in;
        let forget = sql("DELETE FROM sign_ins WHERE expires_at <= $1").number(created_at.as_millis());
        self.execute(forget).await?;
        let insert = "INSERT INTO sign_ins (token, kind, operator, created_at, seen_at, expires_at)
                      VALUES ($1, $2, $3, $4, $5, $6)";
        let insert = || {
            let insert = sql(insert).bytes(token.to_bytes()).text(kind.as_str()).text(operator);
            insert.number(created_at.as_millis()).number(seen_at.as_millis()).number(expires_at.as_millis())
        };
        let reads = spent.map(take);
        let decide = |answers: Answers| {
            let is_gone = answers.as_slice().first().is_some_and(Vec::is_empty);
            Ok(if is_gone { (None, false) } else { (Some(vec![insert()]), true) })
        };
        self.write_telling(reads.into_iter().collect(), &event, decide).await
    }

    async fn sign_in(&self, token: Digest, now: Timestamp) -> Result<Option<(SignIn, Operator)>, StoreError> {
        let find = "SELECT o.id, o.name, o.locator, o.digest, o.created_at, o.by_provider, o.issuer, o.subject,
                           s.token, s.kind, s.created_at, s.seen_at, s.expires_at
                    FROM sign_ins s JOIN operators o ON o.id = s.operator
                    WHERE s.token = $1 AND s.expires_at > $2";
        let found = self.query(sql(find).bytes(token.to_bytes()).number(now.as_millis())).await?;
        found.first().map(sign_in).transpose()
    }

    async fn take_sign_in(&self, token: Digest, event: EventDraft) -> Result<bool, StoreError> {
        Ok(self.touch(take(token), &event).await? == 1)
    }

    async fn see_sign_in(&self, token: Digest, at: Timestamp) -> Result<(), StoreError> {
        let see = sql("UPDATE sign_ins SET seen_at = $2 WHERE token = $1");
        self.execute(see.bytes(token.to_bytes()).number(at.as_millis())).await.map(drop)
    }

    async fn take_sign_ins(&self, operator: OperatorId, event: EventDraft) -> Result<u64, StoreError> {
        let delete = sql("DELETE FROM sign_ins WHERE operator = $1 RETURNING operator").text(operator);
        self.touch(delete, &event).await
    }
}
