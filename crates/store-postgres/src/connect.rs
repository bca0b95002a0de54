//! Connections: how they are made, how many, and how long anything may take.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime};
use doorward_store::StoreError;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::unavailable;

/// Connections of one node, beside the one for polls and the one that listens. Changes wait for each other anyway.
pub(crate) const CONNECTIONS: usize = 8;

/// How long any statement may take, waiting for a connection included. Each takes about a millisecond.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the server may leave what was sent without an answer from its network.
const SILENCE: Duration = Duration::from_secs(5);

/// How long a connection that comes back from use may take to show that it works.
const CHECK: Duration = Duration::from_secs(1);

/// Where the database is, and how it is reached.
#[derive(Clone)]
pub(crate) struct Database {
    config: Config,
    tls: MakeRustlsConnect,
}

impl Database {
    /// Reads a connection string, and adds what every connection of ours has.
    pub(crate) fn named(url: &str) -> Result<Self, StoreError> {
        let mut config = Config::from_str(url).map_err(unavailable)?;
        if config.get_application_name().is_none() {
            config.application_name("doorward");
        }
        config.connect_timeout(SILENCE).tcp_user_timeout(SILENCE).keepalives_idle(SILENCE);
        // Of several hosts, and after a failover: only a server that can be written to has the newest state.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        Ok(Self { config, tls: tls()? })
    }

    /// A pool that shows each connection to work before it lends it: one that hung is left behind.
    pub(crate) fn pool(&self, size: usize) -> Result<Pool, StoreError> {
        let check = ManagerConfig { recycling_method: RecyclingMethod::Verified };
        Pool::builder(Manager::from_config(self.config.clone(), self.tls.clone(), check))
            .max_size(size)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(PATIENCE))
            .create_timeout(Some(SILENCE))
            .recycle_timeout(Some(CHECK))
            .build()
            .map_err(unavailable)
    }

    /// A connection outside of any pool.
    pub(crate) async fn connect(
        &self,
    ) -> Result<
        (Client, Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>),
        tokio_postgres::Error,
    > {
        self.config.connect(self.tls.clone()).await
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

/// TLS by rustls. A certificate is always verified: encryption to whoever answers keeps no secret.
fn tls() -> Result<MakeRustlsConnect, StoreError> {
    let mut trusted = rustls::RootCertStore::empty();
    // Those of the operating system, or of SSL_CERT_FILE. One that cannot be read is one less to trust.
    trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unavailable)?
        .with_root_certificates(trusted)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// Why there is no connection.
pub(crate) fn failure(error: PoolError) -> StoreError {
    let mut cause: &dyn Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    // tokio-postgres has no other way to say so.
    if cause.to_string() == "database does not allow writes" {
        return unavailable("this server is a standby: name the primary, or all of them, in the store's URL");
    }
    unavailable(error)
}

/// Work that ends within [`PATIENCE`], or has failed.
pub(crate) async fn in_time<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(unavailable("the database does not answer")))
}
