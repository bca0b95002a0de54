//! Connecting: tries all servers of the store's URL at the same time, and takes the first that accepts writes.

use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use std::{fmt, io};

use doorward_store::{Doubt, StoreError};
use doorward_store_sql::sql;
use futures_util::StreamExt;
use futures_util::future::select_ok;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Notify;
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::{AsyncMessage, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::channel;
use crate::connection::Connection;
use crate::error::Failure;
use crate::options::PostgresOptions;
use crate::row;
use crate::schema_name::SchemaName;
use crate::server::Server;
use crate::statement::rows;

/// The time limit of connecting, unless the URL sets another. Connecting takes up to seven round trips, and a round
/// trip to a distant database takes most of a second.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause before a server is tried again while another server has not answered yet.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// The time of silence after which TCP probes the connection, and the limit for data without a TCP acknowledgement.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(5);

/// The default of `tokio_postgres` for the time before TCP probes a silent connection.
const DEFAULT_KEEPALIVE: Duration = Duration::from_hours(2);

/// The database's servers, and the settings of a connection to them.
pub(crate) struct Database {
    servers: Vec<Server>,
    tls: MakeRustlsConnect,
    patience: Duration,
    /// The schema of the store's tables, after it was found.
    schema: Arc<OnceLock<SchemaName>>,
}

impl Database {
    /// Adds the settings that every connection has.
    pub(crate) fn of(options: &PostgresOptions) -> Result<Self, StoreError> {
        let config = &options.config;
        let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
        let count = hosts.len().max(addresses.len());
        if count == 0
            || (ports.len() > 1 && ports.len() != count)
            || (!addresses.is_empty() && addresses.len() != count)
        {
            let fault = "the store's URL must name a host, and either one port or one port for each host";
            return Err(StoreError::Settings(fault.to_owned()));
        }
        let servers = (0..count).map(|place| Server {
            config: without_hosts(config),
            host: hosts.get(place).cloned(),
            address: addresses.get(place).copied(),
            port: ports.get(place).or_else(|| ports.first()).copied().unwrap_or(5432),
        });
        let patience = config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT);
        Ok(Self { servers: servers.collect(), tls: options.tls.connector()?, patience, schema: Arc::default() })
    }

    /// Sets the schema of the store's tables, for all connections.
    pub(crate) fn keep_tables_in(&self, schema: SchemaName) {
        let _ = self.schema.set(schema);
    }

    /// Connects to the first server that accepts writes. Each notification wakes `heard`.
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
            // While one server is silent, another may be promoted.
            attempts.push(attempt(place, server, RETRY_INTERVAL));
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

    /// Connects to one address, and fails unless the server is a primary: only a primary has the newest state.
    async fn open(&self, server: &Server, config: Config, heard: Option<Arc<Notify>>) -> Result<Connection, Failure> {
        let refused = |error| Failure::of_connecting(server, error);
        let (client, mut connection) = config.connect(self.tls.clone()).await.map_err(refused)?;
        let schema = Arc::clone(&self.schema);
        let is_ours = move |named: &str| schema.get().is_some_and(|schema| channel::is_about(named, schema.as_str()));
        let driver = tokio::spawn(async move {
            loop {
                match poll_fn(|context| connection.poll_message(context)).await {
                    Some(Ok(AsyncMessage::Notification(hint))) if is_ours(hint.payload()) => {
                        heard.iter().for_each(|heard| heard.notify_one());
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return tracing::debug!(%error, "a connection broke"),
                    None => return,
                }
            }
        });
        let connection = Connection::new(client, driver, Arc::clone(&self.schema));
        let sql = sql("SELECT pg_is_in_recovery(), current_setting('transaction_read_only')");
        let found = rows(&connection, &sql).await.map_err(refused)?;
        match row::first::<(bool, String)>(&found) {
            Ok(None) => Err(Failure::nowhere()),
            Ok(Some((false, read_only))) if read_only == "off" => Ok(connection),
            Ok(Some((false, _))) => Err(Failure::Doubt(Doubt::ReadOnly)),
            _ => Err(Failure::Doubt(Doubt::Standby)),
        }
    }
}

/// Returns the settings of a connection string without its hosts.
fn without_hosts(url: &Config) -> Config {
    let mut config = Config::new();
    config.application_name(url.get_application_name().unwrap_or("doorward"));
    url.get_user().map(|user| config.user(user));
    url.get_password().map(|password| config.password(password));
    url.get_dbname().map(|name| config.dbname(name));
    url.get_options().map(|options| config.options(options));
    config.ssl_mode(url.get_ssl_mode()).ssl_negotiation(url.get_ssl_negotiation());
    config.channel_binding(url.get_channel_binding());
    config.tcp_user_timeout(url.get_tcp_user_timeout().copied().unwrap_or(KEEPALIVE_IDLE));
    let idle = Some(url.get_keepalives_idle()).filter(|idle| *idle != DEFAULT_KEEPALIVE);
    config.keepalives(url.get_keepalives()).keepalives_idle(idle.unwrap_or(KEEPALIVE_IDLE));
    url.get_keepalives_interval().map(|interval| config.keepalives_interval(interval));
    url.get_keepalives_retries().map(|retries| config.keepalives_retries(retries));
    config.target_session_attrs(TargetSessionAttrs::Any);
    config
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}
