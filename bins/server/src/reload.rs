//! SIGHUP: certificates, secrets and the filter of the log are read again. If anything cannot be read, nothing changes.

use std::sync::{Arc, PoisonError};

use doorward::api::Api;
#[cfg(feature = "oidc")]
use doorward::dashboard::IdentityProvider;
use doorward_listen::{Hangups, supervisor};
use doorward_observe::{Filter, FilterHandle};
use tokio::sync::watch;

use crate::arguments::Arguments;
use crate::config::Config;
#[cfg(feature = "oidc")]
use crate::identity;
use crate::page::CheckpointKey;
use crate::signing_key;
use crate::sinks::Secrets;

/// Everything that is read again, with its place.
pub(crate) struct Reload {
    pub(crate) arguments: Arguments,
    pub(crate) filter: FilterHandle,
    pub(crate) api: Api,
    /// The page's copy of the key that signs checkpoints.
    pub(crate) checkpoint_key: CheckpointKey,
    pub(crate) secrets: Secrets,
    #[cfg(feature = "oidc")]
    pub(crate) identity_provider: Option<IdentityProvider>,
    /// Asks for a look at the certificate now.
    pub(crate) certificate: watch::Sender<u64>,
}

impl Reload {
    /// Reads again at each signal.
    pub(crate) async fn run(self, mut hangups: Hangups) {
        loop {
            hangups.next().await;
            supervisor::tell_reloading();
            // The certificate is read separately, also if the rest fails.
            self.certificate.send_modify(|asked| *asked += 1);
            match self.read() {
                Ok(()) => tracing::info!("read certificates, secrets and the log's filter again"),
                Err(error) => {
                    let error: &dyn std::error::Error = error.as_ref();
                    tracing::error!(error, "secrets and the log's filter cannot be read again, and stay as they were");
                }
            }
            supervisor::tell_ready();
        }
    }

    /// Reads everything first, and then changes it.
    fn read(&self) -> anyhow::Result<()> {
        let config = Config::new(self.arguments.clone())?;
        let filter: Filter = config.log.parse()?;
        let signing_key = signing_key::load(&config)?;
        let checkpoint_key = signing_key::load(&config)?;
        let secrets = self.secrets.read(&config.sinks)?;
        #[cfg(feature = "oidc")]
        let client_secret = {
            let configured = config.identity_provider.as_ref();
            identity::secret(configured.and_then(|provider| provider.client_secret_file.as_deref()))?
        };
        self.filter.replace(filter)?;
        self.api.set_signing_key(signing_key);
        *self.checkpoint_key.write().unwrap_or_else(PoisonError::into_inner) = checkpoint_key.map(Arc::new);
        secrets.take_effect();
        #[cfg(feature = "oidc")]
        if let Some(provider) = &self.identity_provider {
            provider.set_client_secret(client_secret);
        }
        Ok(())
    }
}
