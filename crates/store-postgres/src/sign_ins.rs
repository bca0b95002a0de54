//! Links and sessions by which operators sign in to the page.

use async_trait::async_trait;
use doorward_audit::EventDraft;
use doorward_key::Digest;
use doorward_store::{Operator, Passkeys, SignIn, SignIns, StoreError};
use doorward_store_sql::operators;
use doorward_types::{OperatorId, Timestamp};

use crate::PostgresStore;
use crate::transaction::Answers;

#[async_trait]
impl SignIns for PostgresStore {
    async fn add_sign_in(&self, sign_in: SignIn, spent: Option<Digest>, event: EventDraft) -> Result<bool, StoreError> {
        self.execute(operators::expire_sign_ins(sign_in.created_at)).await?;
        let reads = spent.map(|link| operators::consume_sign_in(link).and(" RETURNING 1"));
        let decide = |mut answers: Answers| {
            let is_gone = answers.next().is_some_and(|taken| taken.is_empty());
            Ok(if is_gone { (None, false) } else { (Some(vec![operators::add_sign_in(&sign_in)]), true) })
        };
        self.write_telling(reads.into_iter().collect(), &event, decide).await
    }

    async fn sign_in(&self, token: Digest, now: Timestamp) -> Result<Option<(SignIn, Operator)>, StoreError> {
        self.find(operators::find_sign_in(token, now)).await
    }

    async fn sign_ins(&self, now: Timestamp) -> Result<Vec<SignIn>, StoreError> {
        self.list(operators::sign_ins(now)).await
    }

    async fn consume_sign_in(&self, token: Digest, event: EventDraft) -> Result<bool, StoreError> {
        Ok(self.touch(operators::consume_sign_in(token), Some(&event)).await? == 1)
    }

    async fn touch_sign_in(&self, token: Digest, at: Timestamp) -> Result<(), StoreError> {
        self.execute(operators::touch_sign_in(token, at)).await.map(drop)
    }

    async fn delete_sign_ins(&self, operator: OperatorId, event: EventDraft) -> Result<u64, StoreError> {
        self.touch(operators::delete_sign_ins(operator), Some(&event)).await
    }

    fn passkeys(&self) -> Option<&dyn Passkeys> {
        Some(self)
    }
}
