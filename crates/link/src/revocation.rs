//! Revokes unneeded tokens at the third party (RFC 7009).

use std::time::Duration;

use doorward_records::{ConnectorName, LinkGrant, RevocationGrant};
use doorward_store::StoreError;
use doorward_types::Timestamp;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use crate::code_grant::RevokeError;
use crate::{CodeGrant, ConnectorSettings, LinkError, Linker, Tokens};

/// The interval at which a node looks for sessions to expire and tokens to revoke, if nothing wakes it earlier.
const ROUND_INTERVAL: Duration = Duration::from_secs(10);

/// The maximum number of parallel revocations, and the time after which another node may retry them.
const BATCH: u32 = 16;
const LEASE: Duration = Duration::from_mins(1);

/// The maximum number of attempts at a third party that does not answer, and the first pause. The pause doubles each time: a day
/// and a half in all.
const MAX_ATTEMPTS: u32 = 12;
const MIN_BACKOFF: Duration = Duration::from_mins(1);

impl Linker {
    /// Expires link sessions and revokes tokens until it is dropped. Run it as a task on every node.
    pub async fn keep_up(&self) {
        loop {
            if let Err(error) = self.keep_up_once().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "link sessions cannot be expired or revoked at the moment"
                );
            }
            let _ = tokio::time::timeout(ROUND_INTERVAL, self.revocations.notified()).await;
        }
    }

    /// Expires overdue link sessions, erases the data of closed organizations that are due, and asks third parties to
    /// revoke due tokens.
    ///
    /// # Errors
    ///
    /// Fails if the store fails.
    pub async fn keep_up_once(&self) -> Result<(), StoreError> {
        self.store.expire_links(self.core().clock().now()).await?;
        self.store.erase_closed(self.core().clock().now()).await?;
        loop {
            let due = RevocationGrant::take(&*self.store, self.core().clock().now(), LEASE, BATCH).await?;
            let is_last = (due.len() as u32) < BATCH;
            let mut tasks = JoinSet::new();
            for grant in due {
                let linker = self.clone();
                tasks.spawn(async move { linker.revoke(&grant).await });
            }
            while let Some(ended) = tasks.join_next().await {
                match ended {
                    Ok(ended) => ended?,
                    // A revocation that panics does not stop the others, and is retried later.
                    Err(error) => tracing::error!(%error, "a revocation was interrupted"),
                }
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Wakes the revocation task: a credential was deleted or replaced.
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
            Err(error) if error.may_pass() && revocation.attempts < MAX_ATTEMPTS => {
                let pause = MIN_BACKOFF * 2_u32.saturating_pow(revocation.attempts.saturating_sub(1));
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

    /// Returns the tokens and the application that got them, if both still exist and the third party has a revocation endpoint.
    async fn what_to_revoke(&self, grant: &RevocationGrant) -> Result<Option<(ConnectorSettings, Tokens)>, LinkError> {
        let (scope, revocation) = (grant.scope(), grant.revocation());
        let text = self.sealing_key.open(scope, &revocation.record, &revocation.sealed)?;
        // A token that a backend brought itself is not Doorward's to revoke.
        let tokens = serde_json::from_slice::<Tokens>(&text).ok();
        let Some((tokens, application)) = tokens.and_then(|tokens| tokens.application.clone().map(|of| (tokens, of)))
        else {
            return Ok(None);
        };
        let settings = self.settings_of(scope, &revocation.connector, &application).await?;
        Ok(settings.filter(|settings| settings.revocation_endpoint.is_some()).map(|settings| (settings, tokens)))
    }

    /// Revokes the refresh token first: it lives longer, and the third party may end the access token with it.
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

    /// Revokes tokens that could not be stored. There is only one attempt, since nothing is stored for a retry.
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
    tracing::warn!(%connector, error, "tokens are not revoked at the third party; there is no further attempt");
}
