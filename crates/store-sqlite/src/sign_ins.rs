//! Links and sessions by which operators sign in to the page.

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_key::Digest;
use doorward_store::{Operator, Passkeys, SignIn, SignIns, StoreError};
use doorward_store_sql::operators;
use doorward_types::{OperatorId, Timestamp};

use crate::{SqliteStore, logs, row};

#[async_trait]
impl SignIns for SqliteStore {
    async fn add_sign_in(&self, sign_in: SignIn, spent: Option<Digest>, event: EventDraft) -> Result<bool, StoreError> {
        self.write(move |connection| {
            row::write_some(connection, &operators::expire_sign_ins(sign_in.created_at))?;
            if let Some(link) = spent
                && row::write_some(connection, &operators::consume_sign_in(link))? == 0
            {
                return Ok(false);
            }
            row::write(connection, &operators::add_sign_in(&sign_in))?;
            logs::append(connection, &event).map(|()| true)
        })
        .await
    }

    async fn sign_in(&self, token: Digest, now: Timestamp) -> Result<Option<(SignIn, Operator)>, StoreError> {
        self.find(operators::find_sign_in(token, now)).await
    }

    async fn sign_ins(&self, now: Timestamp) -> Result<Vec<SignIn>, StoreError> {
        self.list(operators::sign_ins(now)).await
    }

    async fn consume_sign_in(&self, token: Digest, event: EventDraft) -> Result<bool, StoreError> {
        Ok(self.touch(operators::consume_sign_in(token), event).await? == 1)
    }

    async fn touch_sign_in(&self, token: Digest, at: Timestamp) -> Result<(), StoreError> {
        self.execute(operators::touch_sign_in(token, at)).await.map(drop)
    }

    async fn delete_sign_ins(&self, operator: OperatorId, event: EventDraft) -> Result<u64, StoreError> {
        self.touch(operators::delete_sign_ins(operator), event).await
    }

    fn passkeys(&self) -> Option<&dyn Passkeys> {
        Some(self)
    }
}
