//! The making of a connection: to all servers of the store's URL side by side, of which the first that accepts writes is taken.

use std::future::poll_fn;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use doorward_store::{Doubt, StoreError};
use doorward_store_sql::sql;
use futures_util::StreamExt;
use futures_util::future::select_ok;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::{AsyncMessage, Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::{Failure, unavailable};
use crate::row;
use crate::server::Server;
use crate::statement::rows;

/// The time that connecting may take, unless the URL says otherwise. It takes up to seven round trips, and some databases are
/// most of a second away.
const CONNECT: Duration = Duration::from_secs(10);

/// The time to wait before a server is tried again, while another has not answered yet.
const PAUSE: Duration = Duration::from_millis(250);

/// How long the server may leave what was sent without an answer from its network.
const SILENCE: Duration = Duration::from_secs(5);

/// The time that the protocol waits before it probes a silent connection, if the URL does not say.
const DEFAULT_KEEPALIVE: Duration = Duration::from_hours(2);

/// The place of the database: its servers, and how they are reached.
pub(crate) struct Database {
    servers: Vec<Server>,
    tls: MakeRustlsConnect,
    patience: Duration,
}

/// A connection, which is driven by a task of its own. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) client: Client,
    driver: JoinHandle<()>,
}

impl Database {
    /// Reads a connection string, and adds what every connection of ours has.
    pub(crate) fn named(url: &str) -> Result<Self, StoreError> {
        // A certificate is always verified, so that these ask for nothing more.
        let url = url.replace("sslmode=verify-full", "sslmode=require").replace("sslmode=verify-ca", "sslmode=require");
        let config = Config::from_str(&url).map_err(Failure::of_url)?;
        let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
        let count = hosts.len().max(addresses.len());
        if count == 0
            || (ports.len() > 1 && ports.len() != count)
            || (!addresses.is_empty() && addresses.len() != count)
        {
            return Err(unavailable("the store's URL must name a host, and as many ports as hosts, or one"));
        }
        let servers = (0..count).map(|place| Server {
            config: without_hosts(&config),
            host: hosts.get(place).cloned(),
            address: addresses.get(place).copied(),
            port: ports.get(place).or_else(|| ports.first()).copied().unwrap_or(5432),
        });
        let patience = config.get_connect_timeout().copied().unwrap_or(CONNECT);
        Ok(Self { servers: servers.collect(), tls: tls()?, patience })
    }

    /// Connects to the first server that accepts writes. `heard` is told of each notification.
    pub(crate) async fn connect(&self, heard: Option<&Arc<Notify>>) -> Result<Connection, Failure> {
        let attempt = |place: usize, server, pause| async move {
            tokio::time::sleep(pause).await;
            let reached = tokio::time::timeout(self.patience, self.reach(server, heard)).await;
            let silent = |_| Err(Failure::silent(server, self.patience));
            (place, server, reached.unwrap_or_else(silent))
        };
        let mut attempts: FuturesUnordered<_> =
            self.servers.iter().enumerate().map(|(place, server)| attempt(place, server, Duration::ZERO)).collect();
        let mut failures: Vec<Option<Failure>> = self.servers.iter().map(|_| None).collect();
        while let Some((place, server, reached)) = attempts.next().await {
            let failure = match reached {
                Ok(connection) => return Ok(connection),
                Err(failure) => failure,
            };
            tracing::debug!(%server, %failure, "no connection to this server");
            if let Some(known) = failures.get_mut(place) {
                *known = Some(failure);
            }
            if failures.iter().all(Option::is_some) {
                break;
            }
            // While one is silent, another may be promoted.
            attempts.push(attempt(place, server, PAUSE));
        }
        Err(failures.into_iter().flatten().max_by_key(Failure::weight).unwrap_or_else(Failure::nowhere))
    }

    /// Connects to the first address of a host that answers.
    async fn reach(&self, server: &Server, heard: Option<&Arc<Notify>>) -> Result<Connection, Failure> {
        let unknown = |error: io::Error| Failure::unknown_host(server, error);
        let configs: Vec<Config> = match (&server.host, server.address) {
            (Some(Host::Tcp(name)), None) => {
                let addresses = tokio::net::lookup_host((name.as_str(), server.port)).await.map_err(unknown)?;
                addresses.map(|address| server.config(Some(address.ip()))).collect()
            }
            (_, address) => vec![server.config(address)],
        };
        if configs.is_empty() {
            return Err(unknown(io::ErrorKind::NotFound.into()));
        }
        let attempts = configs.into_iter().map(|config| Box::pin(self.open(server, config, heard.cloned())));
        select_ok(attempts).await.map(|(connection, _)| connection)
    }

    /// Connects to one address, and asks what it is: only a primary has the newest state.
    async fn open(&self, server: &Server, config: Config, heard: Option<Arc<Notify>>) -> Result<Connection, Failure> {
        let refused = |error| Failure::of_connecting(server, error);
        let (client, mut connection) = config.connect(self.tls.clone()).await.map_err(refused)?;
        let driver = tokio::spawn(async move {
            loop {
                match poll_fn(|context| connection.poll_message(context)).await {
                    Some(Ok(AsyncMessage::Notification(_))) => heard.iter().for_each(|heard| heard.notify_one()),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return tracing::debug!(%error, "a connection broke"),
                    None => return,
                }
            }
        });
        let connection = Connection { client, driver };
        let sql = sql("SELECT pg_is_in_recovery(), current_setting('transaction_read_only')");
        let found = rows(&connection.client, &sql).await.map_err(refused)?;
        match row::first::<(bool, String)>(&found) {
            Ok(None) => Err(Failure::nowhere()),
            Ok(Some((false, read_only))) if read_only == "off" => Ok(connection),
            Ok(Some((false, _))) => Err(Failure::Doubt(Doubt::ReadOnly)),
            _ => Err(Failure::Doubt(Doubt::Standby)),
        }
    }
}

impl Connection {
    /// Resolves when the connection has ended.
    pub(crate) async fn ended(&mut self) {
        let _ = (&mut self.driver).await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Returns the settings of a connection string but its hosts.
fn without_hosts(url: &Config) -> Config {
    let mut config = Config::new();
    config.application_name(url.get_application_name().unwrap_or("doorward"));
    url.get_user().map(|user| config.user(user));
    url.get_password().map(|password| config.password(password));
    url.get_dbname().map(|name| config.dbname(name));
    url.get_options().map(|options| config.options(options));
    config.ssl_mode(url.get_ssl_mode()).ssl_negotiation(url.get_ssl_negotiation());
    config.channel_binding(url.get_channel_binding());
    config.tcp_user_timeout(url.get_tcp_user_timeout().copied().unwrap_or(SILENCE));
    let idle = Some(url.get_keepalives_idle()).filter(|idle| *idle != DEFAULT_KEEPALIVE);
    config.keepalives(url.get_keepalives()).keepalives_idle(idle.unwrap_or(SILENCE));
    url.get_keepalives_interval().map(|interval| config.keepalives_interval(interval));
    url.get_keepalives_retries().map(|retries| config.keepalives_retries(retries));
    config.target_session_attrs(TargetSessionAttrs::Any);
    config
}

/// TLS by rustls. A certificate is always verified: encryption to an unknown server keeps no secret.
fn tls() -> Result<MakeRustlsConnect, StoreError> {
    let mut trusted = rustls::RootCertStore::empty();
    // Those of the operating system, or of SSL_CERT_FILE. A certificate that cannot be read is one less to trust.
    trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unavailable)?
        .with_root_certificates(trusted)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}
