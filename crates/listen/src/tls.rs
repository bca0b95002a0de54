//! TLS, by rustls. The certificate and its key are read again when their files change. If a certificate ends soon, or can no
//! longer be read, the log and the observer hear of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use doorward_types::{Clock, Timestamp};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::certificate::not_after;
use crate::observer::Observer;
use crate::serve::Acceptor;
use crate::tls_error::TlsError;

/// The pause between two looks at the files.
const LOOK: Duration = Duration::from_secs(2);

/// The time before its end by which a certificate should have been replaced: what renews certificates does so a month before.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The pause between two lines about one fault of the files.
const TELLING: Duration = Duration::from_secs(24 * 60 * 60);

/// The files, both in PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The server's certificate, and those between it and a root.
    pub certificates: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// The content of the files.
#[derive(Eq, PartialEq)]
struct Texts {
    certificates: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl Texts {
    async fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let read = async |path: &Path| {
            let text = tokio::fs::read(path).await;
            text.map_err(|error| TlsError::new(format!("{} cannot be read", path.display()), error))
        };
        Ok(Self { certificates: read(&files.certificates).await?, key: read(&files.key).await?.into() })
    }

    fn config(&self) -> Result<ServerConfig, TlsError> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&self.certificates)
            .collect::<Result<_, _>>()
            .map_err(|error| TlsError::new("the file of the certificate holds no certificate in PEM", error))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|error| TlsError::new("the file of the private key holds no private key in PEM", error))?;
        let unusable = |error| TlsError::new("the certificate and the key cannot be used together", error);
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .map_err(unusable)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// The end of the certificate that ends first.
    fn end(&self) -> Option<Timestamp> {
        CertificateDer::pem_slice_iter(&self.certificates).flatten().filter_map(|der| not_after(&der)).min()
    }
}

/// TLS for connections, with the files as they were last read.
#[derive(Clone, Debug)]
pub struct Tls(Arc<ArcSwap<ServerConfig>>);

impl Tls {
    /// Reads the files, and looks after them from now on, at once when `asked` changes. Files that cannot be used later are
    /// logged, and change nothing.
    ///
    /// # Errors
    ///
    /// Fails if the files cannot be used now.
    pub async fn start(
        files: TlsFiles,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
        asked: watch::Receiver<u64>,
    ) -> Result<Self, TlsError> {
        let texts = Texts::read(&files).await?;
        let tls = Self(Arc::new(ArcSwap::from_pointee(texts.config()?)));
        let mut health = Health { clock, observer, told: None };
        health.look(texts.end(), None);
        tokio::spawn(tls.clone().look_after(files, texts, health, asked));
        Ok(tls)
    }

    async fn look_after(self, files: TlsFiles, mut seen: Texts, mut health: Health, mut asked: watch::Receiver<u64>) {
        // What is written over is read in the middle at times: only what stands still is taken, or what somebody says is whole.
        let mut before: Option<Texts> = None;
        loop {
            let is_asked = tokio::select! {
                () = tokio::time::sleep(LOOK) => false,
                changed = asked.changed() => changed.is_ok(),
            };
            let now = match Texts::read(&files).await {
                Ok(now) => now,
                Err(error) => {
                    health.look(seen.end(), Some(&error));
                    continue;
                }
            };
            if now == seen {
                before = None;
            } else if is_asked || before.as_ref() == Some(&now) {
                match now.config() {
                    Ok(config) => {
                        self.0.store(Arc::new(config));
                        health.told = None;
                        tracing::info!(certificates = %files.certificates.display(), "serving with a new certificate");
                    }
                    Err(error) => {
                        tracing::error!("the new certificate cannot be used; the one before is kept: {error:#}")
                    }
                }
                seen = now;
            } else {
                before = Some(now);
            }
            health.look(seen.end(), None);
        }
    }

    /// Returns the acceptor for [`serve`](crate::serve()).
    #[must_use]
    pub fn acceptor(self) -> Acceptor {
        Arc::new(move || self.0.load_full().into())
    }
}

/// The fault of the files, and the time at which it was told.
struct Health {
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    told: Option<(Trouble, Timestamp)>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Trouble {
    EndsSoon,
    Unreadable,
}

impl Health {
    /// Takes in a look at the files, and tells once a day what is wrong with them.
    fn look(&mut self, end: Option<Timestamp>, unreadable: Option<&TlsError>) {
        let now = self.clock.now();
        self.observer.certificate(end, unreadable.is_none());
        let trouble = match (unreadable, end) {
            (Some(_), _) => Some(Trouble::Unreadable),
            (None, Some(end)) if end < now + SOON => Some(Trouble::EndsSoon),
            _ => None,
        };
        let was = self.told;
        let is_told =
            matches!((trouble, was), (Some(trouble), Some((told, at))) if trouble == told && now < at + TELLING);
        if is_told {
            return;
        }
        self.told = trouble.map(|trouble| (trouble, now));
        match (trouble, unreadable, end) {
            (Some(Trouble::Unreadable), Some(error), _) => {
                tracing::error!("the certificate cannot be read any more; the one before is kept: {error:#}");
            }
            (Some(Trouble::EndsSoon), _, Some(end)) if end <= now => {
                tracing::error!(%end, "the certificate has expired: clients refuse this server. Renew it");
            }
            (Some(Trouble::EndsSoon), _, Some(end)) => {
                tracing::error!(%end, "the certificate expires within 14 days, and was not renewed");
            }
            _ if was.is_some_and(|(told, _)| told == Trouble::Unreadable) => {
                tracing::info!("the certificate can be read again");
            }
            _ => {}
        }
    }
}
