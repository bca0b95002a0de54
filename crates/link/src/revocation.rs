//! Tokens that nobody needs any more are revoked at the third party (RFC 7009), where it can be.

use std::time::Duration;

use doorward_auth::{LinkGrant, RevocationGrant};
use doorward_records::ConnectorName;
use doorward_store::StoreError;
use doorward_types::Timestamp;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use crate::code_grant::RevokeError;
use crate::{CodeGrant, ConnectorSettings, LinkError, Linker, Tokens};

/// The pause of a node between two looks for what is to be expired and revoked, if nobody wakes it.
const ROUND: Duration = Duration::from_secs(10);

/// The number of revocations side by side, and the time that a node has for them before another node tries.
const BATCH: u32 = 16;
const LEASE: Duration = Duration::from_mins(1);

/// The number of questions to a third party that does not answer, and the pause after the first one; the pause doubles with
/// each: a day and a half in all.
const ATTEMPTS: u32 = 12;
const FIRST_PAUSE: Duration = Duration::from_mins(1);

impl Linker {
    /// Expires link sessions, and revokes tokens, until it is dropped: to be run on a task of its own by every node.
    pub async fn keep_up(&self) {
        loop {
            if let Err(error) = self.keep_up_once().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "link sessions cannot be looked after");
            }
            let _ = tokio::time::timeout(ROUND, self.revocations.notified()).await;
        }
    }

    /// Expires link sessions whose time is over, and asks third parties to revoke what is due.
    ///
    /// # Errors
    ///
    /// Fails if the store fails.
    pub async fn keep_up_once(&self) -> Result<(), StoreError> {
        self.store.expire_links(self.core().clock().now()).await?;
        loop {
            let due = self.core().take_revocations(&*self.store, LEASE, BATCH).await?;
            let is_last = (due.len() as u32) < BATCH;
            let mut tasks = JoinSet::new();
            for grant in due {
                let linker = self.clone();
                tasks.spawn(async move { linker.revoke(&grant).await });
            }
            while let Some(ended) = tasks.join_next().await {
                match ended {
                    Ok(ended) => ended?,
                    // One that panics takes no other along, and is due again.
                    Err(error) => tracing::error!(%error, "a revocation broke off"),
                }
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Wakes what revokes: a credential was deleted or replaced.
    pub fn revoke_soon(&self) {
        self.revocations.notify_one();
    }

    async fn revoke(&self, grant: &RevocationGrant) -> Result<(), StoreError> {
        let (scope, revocation, store) = (grant.scope(), grant.revocation(), &self.store);
        let revoked = match self.what_to_revoke(grant).await {
            Ok(Some((settings, tokens))) => self.revoke_at(&settings, &tokens).await,
            Ok(None) => return store.end_revocation(revocation).await,
            Err(LinkError::Store(error)) => return Err(error),
            Err(error) => {
                gave_up(&revocation.connector, &error);
                return store.end_revocation(revocation).await;
            }
        };
        let (connector, organization) = (&revocation.connector, scope.organization());
        match revoked {
            Err(error) if error.may_pass() && revocation.attempts < ATTEMPTS => {
                let pause = FIRST_PAUSE * 2_u32.saturating_pow(revocation.attempts.saturating_sub(1));
                let until: Timestamp = self.core().clock().now() + pause;
                tracing::info!(%connector, %organization, %error, ?pause, "a token is not revoked yet");
                store.postpone_revocation(revocation, until).await
            }
            Err(error) => {
                gave_up(connector, &error);
                store.end_revocation(revocation).await
            }
            Ok(()) => store.end_revocation(revocation).await,
        }
    }

    /// Returns the tokens and the application that got them, if both are there and the third party has a place for it.
    async fn what_to_revoke(&self, grant: &RevocationGrant) -> Result<Option<(ConnectorSettings, Tokens)>, LinkError> {
        let (scope, revocation) = (grant.scope(), grant.revocation());
        let text = self.sealing_key.open(scope, &revocation.record, &revocation.sealed)?;
        // What a backend brought itself is not ours to revoke.
        let tokens = serde_json::from_slice::<Tokens>(&text).ok();
        let Some((tokens, application)) = tokens.and_then(|tokens| tokens.application.clone().map(|of| (tokens, of)))
        else {
            return Ok(None);
        };
        let settings = self.settings_of(scope, &revocation.connector, &application).await?;
        Ok(settings.filter(|settings| settings.revocation_endpoint.is_some()).map(|settings| (settings, tokens)))
    }

    /// Revokes the refresh token first: it is worth more, and the third party may end the access token with it.
    async fn revoke_at(&self, settings: &ConnectorSettings, tokens: &Tokens) -> Result<(), RevokeError> {
        let application = CodeGrant { settings, redirect_uri: "" };
        let refresh = tokens.refresh_token.as_ref().map(|token| (token, "refresh_token"));
        let all: Vec<(&Zeroizing<String>, &str)> =
            refresh.into_iter().chain([(&tokens.access_token, "access_token")]).collect();
        for (token, kind) in all {
            application.revoke(&self.client, token, kind).await?;
        }
        Ok(())
    }

    /// Revokes tokens that could not be kept: there is one try, since there is no place to note that there should be more.
    pub(crate) fn revoke_unkept(&self, grant: &LinkGrant, settings: ConnectorSettings, tokens: Tokens) {
        if settings.revocation_endpoint.is_none() {
            return;
        }
        let (linker, connector) = (self.clone(), grant.session().connector.clone());
        tokio::spawn(async move {
            if let Err(error) = linker.revoke_at(&settings, &tokens).await {
                gave_up(&connector, &error);
            }
        });
    }
}

fn gave_up(connector: &ConnectorName, error: &(dyn std::error::Error + 'static)) {
    tracing::warn!(%connector, error, "tokens are not revoked at the third party, and will not be");
}
