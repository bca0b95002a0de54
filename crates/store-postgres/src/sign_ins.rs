//! How operators sign in to the page.

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_key::Digest;
use doorward_store::{Operator, SignIn, SignIns, StoreError};
use doorward_store_sql::operators;
use doorward_types::{OperatorId, Timestamp};

use crate::PostgresStore;

#[async_trait]
impl SignIns for PostgresStore {
    async fn add_sign_in(&self, sign_in: SignIn, event: EventDraft) -> Result<(), StoreError> {
        self.execute(operators::expire_sign_ins(sign_in.created_at)).await?;
        self.write_telling(vec![], &event, |_| Ok((Some(vec![operators::add_sign_in(&sign_in)]), ()))).await
    }

    async fn sign_in(&self, token: Digest, now: Timestamp) -> Result<Option<(SignIn, Operator)>, StoreError> {
        self.find(operators::find_sign_in(token, now)).await
    }

    async fn take_sign_in(&self, token: Digest, event: Option<EventDraft>) -> Result<bool, StoreError> {
        Ok(self.touch(operators::take_sign_in(token), event.as_ref()).await? == 1)
    }

    async fn see_sign_in(&self, token: Digest, at: Timestamp) -> Result<(), StoreError> {
        self.execute(operators::see_sign_in(token, at)).await.map(drop)
    }

    async fn take_sign_ins(&self, operator: OperatorId, event: EventDraft) -> Result<u64, StoreError> {
        self.touch(operators::take_sign_ins(operator), Some(&event)).await
    }
}
