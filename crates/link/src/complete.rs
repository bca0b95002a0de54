//! The end of a link: the backend confirms the account's owner.

use doorward_audit::{Action, Attribution, Detail};
use doorward_key::OpaqueToken;
use doorward_records::{Credential, CredentialKey, LinkSession, LinkStatus, SealError};
use doorward_store::{Conflict, Scope, StoreError};
use doorward_types::{LinkSessionId, RegisteredUserId};

use crate::{LinkError, Linker, Tokens};

impl Linker {
    /// Returns a link session of this scope. A session past its time is marked expired.
    ///
    /// # Errors
    ///
    /// [`LinkError::NoSuchSession`] if there is no such session, or if it ended more than an hour ago.
    pub async fn session(&self, scope: &Scope, id: LinkSessionId) -> Result<LinkSession, LinkError> {
        let session = self.store.link(scope, id).await?.ok_or(LinkError::NoSuchSession)?;
        let is_over = session.expires_at <= self.core().clock().now() && !session.status.is_end();
        Ok(if is_over { LinkSession { status: LinkStatus::Expired, ..session } } else { session })
    }

    /// Stores the tokens of a pending session as its user's credential. `user` is the registered user who is signed in at the
    /// backend, in the browser that brought the confirmation. It must be the user for whom the link was begun: only then the
    /// account belongs to the person who linked it.
    ///
    /// # Errors
    ///
    /// [`LinkError::NotPending`], [`LinkError::OtherConfirmation`]; [`LinkError::OtherUser`], after which the session has failed.
    pub async fn complete(
        &self,
        scope: &Scope,
        id: LinkSessionId,
        user: Option<RegisteredUserId>,
        confirmation: &str,
        by: &Attribution,
    ) -> Result<LinkSession, LinkError> {
        let session = self.session(scope, id).await?;
        if session.status != LinkStatus::Pending {
            return Err(LinkError::NotPending(session.status));
        }
        let confirmation = OpaqueToken::presented(confirmation).map(|token| token.digest());
        if confirmation.is_none() || confirmation != session.confirmation {
            return Err(LinkError::OtherConfirmation);
        }
        if user != Some(session.registered_user) {
            tracing::warn!(session = %id, "a confirmation was brought for another user: the link has failed");
            self.fail_pending(scope, session, "other_user").await?;
            return Err(LinkError::OtherUser);
        }
        let tokens = session.tokens.as_ref().ok_or(LinkError::Sealed(SealError))?;
        let text = self.sealing_key.open(scope, &session.tokens_record(), tokens)?;
        let kept: Tokens = serde_json::from_slice(&text).map_err(|_| LinkError::Sealed(SealError))?;
        let application = kept.application.as_deref().unwrap_or_default();
        if self.settings_of(scope, &session.connector, application).await?.is_none() {
            self.fail_pending(scope, session, "connector_gone").await?;
            return Err(LinkError::NotPending(LinkStatus::Failed));
        }
        let key = CredentialKey { registered_user: session.registered_user, connector: session.connector.clone() };
        let CredentialKey { registered_user, connector } = key.clone();
        let detail = Detail::default().with_connector(connector.to_string());
        let event = self.core().event(Action::CredentialPut, registered_user.to_string(), scope.log(), by, detail);
        let now = event.time;
        let complete = |sealed| {
            let connector = connector.clone();
            let credential = Credential::new(registered_user, connector, sealed, now, now);
            self.store.complete_link(scope, id, credential, event.clone())
        };
        self.write_sealed((scope, &key.to_string(), &text), complete).await.map_err(|error| match error {
            LinkError::Store(error) => not_pending(error),
            other => other,
        })?;
        // The replaced credential is to be revoked.
        self.revoke_soon();
        Ok(LinkSession { status: LinkStatus::Complete, confirmation: None, tokens: None, ..session })
    }

    async fn fail_pending(&self, scope: &Scope, session: LinkSession, error: &str) -> Result<(), LinkError> {
        let failed = LinkSession {
            status: LinkStatus::Failed,
            error: Some(error.to_owned()),
            confirmation: None,
            tokens: None,
            ..session
        };
        self.store.advance_link(scope, LinkStatus::Pending, failed).await.map_err(not_pending)?;
        self.revoke_soon();
        Ok(())
    }
}

/// Returns the error if another request changed the session first.
fn not_pending(error: StoreError) -> LinkError {
    match error {
        StoreError::Conflict(Conflict::Stale) => LinkError::NotPending(LinkStatus::Complete),
        StoreError::NotFound => LinkError::NoSuchSession,
        other => LinkError::Store(other),
    }
}
