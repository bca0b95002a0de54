//! SIGHUP: certificates, secrets and the filter of the log are read again. What cannot be read leaves everything as it was, and
//! nothing ends.

use doorward::api::Api;
#[cfg(feature = "oidc")]
use doorward::dashboard::IdentityProvider;
use tokio::sync::watch;

use crate::arguments::Arguments;
use crate::config::Config;
#[cfg(feature = "oidc")]
use crate::identity;
use crate::logging::{self, Filter};
use crate::signing_key;
use crate::sinks::Secrets;

/// The signal, which is listened for from the start: it ends a process that does not.
#[derive(Debug)]
pub struct Hangups {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

impl Hangups {
    /// Listens from now on. Needs a runtime around it.
    ///
    /// # Errors
    ///
    /// If the operating system allows no handler.
    pub fn listen() -> std::io::Result<Self> {
        #[cfg(unix)]
        return Ok(Self { signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())? });
        #[cfg(not(unix))]
        Ok(Self {})
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        if self.signal.recv().await.is_some() {
            return;
        }
        std::future::pending::<()>().await;
    }
}

/// All that is read again, and the places that it goes to.
pub(crate) struct Reload {
    pub(crate) arguments: Arguments,
    pub(crate) filter: Filter,
    pub(crate) api: Api,
    pub(crate) secrets: Secrets,
    #[cfg(feature = "oidc")]
    pub(crate) identity_provider: Option<IdentityProvider>,
    /// Has the certificate looked at now.
    pub(crate) certificate: watch::Sender<u64>,
}

impl Reload {
    /// Reads again at each signal.
    pub(crate) async fn run(self, mut hangups: Hangups) {
        loop {
            hangups.next().await;
            // The certificate is read and judged by itself, whatever comes of the rest.
            self.certificate.send_modify(|asked| *asked += 1);
            match self.read() {
                Ok(()) => tracing::info!("read certificates, secrets and the log's filter again"),
                Err(error) => {
                    let error: &dyn std::error::Error = error.as_ref();
                    tracing::error!(error, "secrets and the log's filter cannot be read again, and stay as they were");
                }
            }
        }
    }

    /// First everything is read, and only then anything is changed.
    fn read(&self) -> anyhow::Result<()> {
        let config = Config::new(self.arguments.clone())?;
        let filter = logging::filter(&config.log)?;
        let signing_key = signing_key::load(&config)?;
        let secrets = self.secrets.read(&config.sinks)?;
        #[cfg(feature = "oidc")]
        let client_secret = {
            let configured = config.identity_provider.as_ref();
            identity::secret(configured.and_then(|provider| provider.client_secret_file.as_deref()))?
        };
        self.filter.replace(filter)?;
        self.api.set_signing_key(signing_key);
        secrets.take_effect();
        #[cfg(feature = "oidc")]
        if let Some(provider) = &self.identity_provider {
            provider.set_client_secret(client_secret);
        }
        Ok(())
    }
}
