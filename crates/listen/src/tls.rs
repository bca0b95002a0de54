//! TLS, by rustls. The certificate and its key are read again when their files change. If a certificate ends soon, or can no
//! longer be read, the log and the observer hear of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use doorward_types::{Causes, Clock, Timestamp};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::certificate::not_after;
use crate::observer::Observer;
use crate::serve::Acceptor;
use crate::tls_error::TlsError;

/// The pause between two looks at the files.
const FILE_CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// The time before its end by which a certificate should have been replaced: renewal usually runs a month before the end.
const EXPIRY_NOTICE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The pause between two log lines about one fault of the files.
const WARNING_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// The files, both in PEM.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TlsFiles {
    /// The certificate chain.
    pub certificates: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// The certificates of the authorities that sign clients' certificates. Without it, clients need none.
    pub client_authorities: Option<PathBuf>,
}

impl TlsFiles {
    /// Creates the paths of the files.
    #[must_use]
    pub const fn new(certificates: PathBuf, key: PathBuf) -> Self {
        Self { certificates, key, client_authorities: None }
    }

    /// Asks each client for a certificate that one of these authorities signed.
    #[must_use]
    pub fn with_client_authorities(self, authorities: Option<PathBuf>) -> Self {
        Self { client_authorities: authorities, ..self }
    }
}

/// The content of the files.
#[derive(Eq, PartialEq)]
struct Texts {
    certificates: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    client_authorities: Option<Vec<u8>>,
}

impl Texts {
    async fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let read = async |path: &Path| {
            let text = tokio::fs::read(path).await;
            text.map_err(|error| TlsError::new(format!("{} cannot be read", path.display()), error))
        };
        let client_authorities = match &files.client_authorities {
            Some(path) => Some(read(path).await?),
            None => None,
        };
        Ok(Self {
            certificates: read(&files.certificates).await?,
            key: read(&files.key).await?.into(),
            client_authorities,
        })
    }

    /// Returns the check of clients' certificates, if clients need one.
    fn clients(&self, provider: &Arc<CryptoProvider>) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
        let Some(authorities) = &self.client_authorities else { return Ok(None) };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(authorities) {
            let unreadable =
                |error| TlsError::new("the file of the clients' authorities holds no certificate in PEM", error);
            let unusable = |error| TlsError::new("an authority of the clients cannot be used", error);
            roots.add(certificate.map_err(unreadable)?).map_err(unusable)?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
        verifier.map(Some).map_err(|error| TlsError::new("the file of the clients' authorities cannot be used", error))
    }

    fn config(&self) -> Result<ServerConfig, TlsError> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&self.certificates)
            .collect::<Result<_, _>>()
            .map_err(|error| TlsError::new("the file of the certificate holds no certificate in PEM", error))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|error| TlsError::new("the file of the private key holds no private key in PEM", error))?;
        let unusable = |error| TlsError::new("the certificate and the key cannot be used together", error);
        let provider = Arc::new(ring::default_provider());
        let clients = self.clients(&provider)?;
        let builder =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(unusable)?;
        let builder = match clients {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(certificates, key).map_err(unusable)?;
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
    /// logged, and change nothing. The log and the observer name the listener.
    ///
    /// # Errors
    ///
    /// Fails if the files cannot be used now.
    pub async fn start(
        listener: &'static str,
        files: TlsFiles,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
        asked: watch::Receiver<u64>,
    ) -> Result<Self, TlsError> {
        let texts = Texts::read(&files).await?;
        let tls = Self(Arc::new(ArcSwap::from_pointee(texts.config()?)));
        let mut health = Health { listener, clock, observer, told: None };
        health.look(texts.end(), None);
        tokio::spawn(tls.clone().look_after(files, texts, health, asked));
        Ok(tls)
    }

    async fn look_after(self, files: TlsFiles, mut seen: Texts, mut health: Health, mut asked: watch::Receiver<u64>) {
        // A file may be read in the middle of a write: a text is taken only if it stands still, or if a signal says that it is whole.
        let mut before: Option<Texts> = None;
        let mut served_until = seen.end();
        loop {
            let is_asked = tokio::select! {
                () = tokio::time::sleep(FILE_CHECK_INTERVAL) => false,
                changed = asked.changed() => changed.is_ok(),
            };
            let now = match Texts::read(&files).await {
                Ok(now) => now,
                Err(error) => {
                    health.look(served_until, Some(&error));
                    continue;
                }
            };
            if now == seen {
                before = None;
            } else if is_asked || before.as_ref() == Some(&now) {
                match now.config() {
                    Ok(config) => {
                        self.0.store(Arc::new(config));
                        served_until = now.end();
                        health.told = None;
                        tracing::info!(listener = health.listener, certificates = %files.certificates.display(), "serving with a new certificate");
                    }
                    Err(error) => {
                        let error = Causes(&error);
                        tracing::error!(
                            listener = health.listener,
                            "the new certificate cannot be used; the one before is kept: {error}"
                        )
                    }
                }
                seen = now;
            } else {
                before = Some(now);
            }
            health.look(served_until, None);
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
    listener: &'static str,
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
        self.observer.certificate(self.listener, end, unreadable.is_none());
        let trouble = match (unreadable, end) {
            (Some(_), _) => Some(Trouble::Unreadable),
            (None, Some(end)) if end < now + EXPIRY_NOTICE => Some(Trouble::EndsSoon),
            _ => None,
        };
        let was = self.told;
        let is_told = matches!((trouble, was), (Some(trouble), Some((told, at))) if trouble == told && now < at + WARNING_INTERVAL);
        if is_told {
            return;
        }
        self.told = trouble.map(|trouble| (trouble, now));
        match (trouble, unreadable, end) {
            (Some(Trouble::Unreadable), Some(error), _) => {
                let error = Causes(error);
                tracing::error!(
                    listener = self.listener,
                    "the certificate can no longer be read; the former certificate stays in use: {error}"
                );
            }
            (Some(Trouble::EndsSoon), _, Some(end)) if end <= now => {
                tracing::error!(listener = self.listener, %end, "the certificate has expired: clients refuse this server. Renew it");
            }
            (Some(Trouble::EndsSoon), _, Some(end)) => {
                tracing::error!(listener = self.listener, %end, "the certificate expires within 14 days, and was not renewed");
            }
            _ if was.is_some_and(|(told, _)| told == Trouble::Unreadable) => {
                tracing::info!(listener = self.listener, "the certificate can be read again");
            }
            _ => {}
        }
    }
}
