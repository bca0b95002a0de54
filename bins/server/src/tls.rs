//! TLS, by rustls: the certificate and its key are read again when their files change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// The files, both in PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The server's certificate, and those between it and a root.
    pub certificates: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// Both files, or none.
    ///
    /// # Errors
    ///
    /// Where there is one without the other.
    pub fn both(certificates: Option<PathBuf>, key: Option<PathBuf>) -> anyhow::Result<Option<Self>> {
        match (certificates, key) {
            (Some(certificates), Some(key)) => Ok(Some(Self { certificates, key })),
            (None, None) => Ok(None),
            _ => bail!("TLS needs both --tls-cert and --tls-key"),
        }
    }
}

/// What the files hold.
#[derive(Eq, PartialEq)]
struct Texts {
    certificates: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl Texts {
    async fn read(files: &TlsFiles) -> anyhow::Result<Self> {
        let read = async |path: &Path| {
            let text = tokio::fs::read(path).await;
            text.with_context(|| format!("{} cannot be read", path.display()))
        };
        Ok(Self { certificates: read(&files.certificates).await?, key: read(&files.key).await?.into() })
    }

    fn config(&self) -> anyhow::Result<ServerConfig> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&self.certificates)
            .collect::<Result<_, _>>()
            .context("the file of --tls-cert holds no certificate in PEM")?;
        let key =
            PrivateKeyDer::from_pem_slice(&self.key).context("the file of --tls-key holds no private key in PEM")?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .context("the certificate and the key cannot be used together")?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// What makes TLS of connections, with the files as they were last read.
#[derive(Clone, Debug)]
pub struct Tls(Arc<ArcSwap<ServerConfig>>);

impl Tls {
    /// Reads the files, and looks after them from now on. Files that cannot be used later are logged, and change nothing.
    ///
    /// # Errors
    ///
    /// Where they cannot be used now.
    pub async fn start(files: TlsFiles) -> anyhow::Result<Self> {
        let texts = Texts::read(&files).await?;
        let tls = Self(Arc::new(ArcSwap::from_pointee(texts.config()?)));
        tokio::spawn(tls.clone().look_after(files, texts));
        Ok(tls)
    }

    async fn look_after(self, files: TlsFiles, mut seen: Texts) {
        // What is written over is read in the middle at times: only what stands still is taken.
        let mut before: Option<Texts> = None;
        loop {
            tokio::time::sleep(LOOK).await;
            let Ok(now) = Texts::read(&files).await else { continue };
            if now == seen {
                before = None;
            } else if before.as_ref() == Some(&now) {
                match now.config() {
                    Ok(config) => {
                        self.0.store(Arc::new(config));
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
        }
    }

    /// What makes TLS of the next connection.
    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        self.0.load_full().into()
    }
}
