//! TLS to the server. Certificates are always verified: encryption to an unknown server protects no secret.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use doorward_store::StoreError;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The files of the URL that TLS needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsFiles {
    /// The trusted certificates (`sslrootcert`), or `None` for those of the operating system or of `SSL_CERT_FILE`.
    pub(crate) roots: Option<PathBuf>,
    /// The client's certificate and its key (`sslcert` and `sslkey`).
    pub(crate) client: Option<(PathBuf, PathBuf)>,
}

impl TlsFiles {
    pub(crate) fn connector(&self) -> Result<MakeRustlsConnect, StoreError> {
        let unusable = |error: rustls::Error| StoreError::Settings(format!("TLS cannot be used: {error}"));
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_root_certificates(self.trusted()?);
        let config = match &self.client {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate, "sslcert")?;
                let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, "sslkey", &error))?;
                config.with_client_auth_cert(chain, secret).map_err(|error| unreadable(key, "sslkey", &error))?
            }
        };
        Ok(MakeRustlsConnect::new(config))
    }

    fn trusted(&self) -> Result<RootCertStore, StoreError> {
        let mut trusted = RootCertStore::empty();
        match &self.roots {
            // An unreadable certificate of the operating system is skipped.
            None => drop(trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
            Some(path) => {
                for certificate in certificates(path, "sslrootcert")? {
                    trusted.add(certificate).map_err(|error| unreadable(path, "sslrootcert", &error))?;
                }
            }
        }
        Ok(trusted)
    }
}

/// Reads a file of certificates in PEM.
fn certificates(path: &Path, parameter: &str) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = found.map_err(|error| unreadable(path, parameter, &error))?;
    if found.is_empty() { Err(unreadable(path, parameter, &"it has no certificate")) } else { Ok(found) }
}

fn unreadable(path: &Path, parameter: &str, error: &dyn Display) -> StoreError {
    let path = path.display();
    StoreError::Settings(format!("the file {path} of `{parameter}` in the store's URL cannot be used (PEM): {error}"))
}
