//! The arguments of the program, each of which is also a variable.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use doorward::StoreUrl;
use doorward::api::LEAST_BODY_BYTES;
use serde::Deserialize;

use crate::assertions::Audience;

/// The access-key layer of a backend: verifies API keys, keeps production and test apart, rotates without an outage.
///
/// With no arguments it listens on 127.0.0.1:8080, over the SQLite file doorward.db in this folder. On an empty store it
/// makes the organization `default`, and prints its production key and a request to try, once.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "doorward-server",
    version,
    after_help = "Every option can also stand in the file of --config, under the same name with _ for - (`mcp_hosts` is a list). Only there are the sinks \
                  that audit events are shipped to (docs/audit.md).\n\
                  The key that seals credentials at rest comes from --sealing-key-file, from DOORWARD_SEALING_KEY (32 bytes in \
                  base64), from DOORWARD_SEALING_KEY_FILE, from the credential doorward-sealing-key of systemd, or from the file of \
                  --config, in this order. Without any of these, it is made beside the store on first start. A store's URL with a \
                  password can come from the file of DOORWARD_STORE_FILE, or from the credential doorward-store; the key that signs \
                  checkpoints from the credential doorward-signing-key.\n\
                  SIGHUP reads certificates, secrets and --log again."
)]
pub struct Arguments {
    /// The store of the keys: sqlite:PATH or postgres://USER@HOST/DATABASE [default: sqlite:doorward.db]
    #[arg(long, env = "DOORWARD_STORE", hide_env_values = true, value_name = "URL")]
    pub store: Option<StoreUrl>,
    /// The address to serve on [default: 127.0.0.1:8080]
    #[arg(long, env = "DOORWARD_LISTEN", value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// The address to serve metrics on [default: 127.0.0.1:9464]
    #[arg(long, env = "DOORWARD_METRICS_LISTEN", value_name = "ADDR")]
    pub metrics_listen: Option<SocketAddr>,
    /// The URL by which clients reach this server, if it is not the address that the server listens on
    #[arg(long, env = "DOORWARD_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// The server's certificate in PEM, with those between it and a root: clients then speak TLS; read again when it changes
    #[arg(long, env = "DOORWARD_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of that certificate, in PEM
    #[arg(long, env = "DOORWARD_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// The file with the keys that seal credentials at rest, each 32 bytes in base64 [default: beside the store]
    // DOORWARD_SEALING_KEY stands between this flag and its variable: whoever reads the keys reads the variables too.
    #[arg(long, value_name = "FILE")]
    pub sealing_key_file: Option<PathBuf>,
    /// The file with the key that signs checkpoints of audit logs, as `doorward audit keygen` prints it
    #[arg(long, env = "DOORWARD_SIGNING_KEY_FILE", value_name = "FILE")]
    pub signing_key_file: Option<PathBuf>,
    /// The file with the keys that sign assertions of who sent a request, as `doorward assertion-key rotate` makes it
    #[arg(long, env = "DOORWARD_ASSERTION_KEY_FILE", value_name = "FILE")]
    pub assertion_key_file: Option<PathBuf>,
    /// For whom the assertions of a forward-auth profile are: `production=https://api.example.com`; can be repeated
    #[arg(
        long = "assertion-audience",
        env = "DOORWARD_ASSERTION_AUDIENCES",
        value_name = "PROFILE=AUDIENCE",
        value_delimiter = ','
    )]
    pub assertion_audiences: Vec<Audience>,
    /// The filter of the log, such as `info` or `doorward=debug` [default: info]
    #[arg(long, env = "DOORWARD_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// The form of the log: text or json [default: text]
    #[arg(long, env = "DOORWARD_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// The URL that spans of requests are sent to, by OTLP over HTTP, such as http://localhost:4318/v1/traces
    #[cfg(feature = "otel")]
    #[arg(long, env = "DOORWARD_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    /// The most connections at once; more wait to be accepted [default: 16384]
    #[arg(long, env = "DOORWARD_MAX_CONNECTIONS", value_name = "N")]
    pub max_connections: Option<usize>,
    /// The most connections of one source address; more are closed [default: a quarter of all]
    #[arg(long, env = "DOORWARD_MAX_CONNECTIONS_PER_ADDRESS", value_name = "N")]
    pub max_connections_per_address: Option<usize>,
    /// The most bytes of bodies that are being received at once; a quarter for one address [default: 67108864]
    #[arg(long, env = "DOORWARD_MAX_BODY_BYTES", value_name = "N", value_parser = at_least_a_body)]
    pub max_body_bytes: Option<usize>,
    /// The most calls of connectors at once [default: 256]
    #[arg(long, env = "DOORWARD_MAX_CONNECTOR_CALLS", value_name = "N")]
    pub max_connector_calls: Option<usize>,
    /// The most calls of connectors at once by one key [default: 16]
    #[arg(long, env = "DOORWARD_MAX_CONNECTOR_CALLS_PER_KEY", value_name = "N")]
    pub max_connector_calls_per_key: Option<usize>,
    /// The most filtered lists, exports and checkpoints of audit logs at once [default: 8]
    #[arg(long, env = "DOORWARD_MAX_SCANS", value_name = "N")]
    pub max_scans: Option<usize>,
    /// The most of them at once by one key or operator [default: 2]
    #[arg(long, env = "DOORWARD_MAX_SCANS_PER_KEY", value_name = "N")]
    pub max_scans_per_key: Option<usize>,
    /// The time to serve on, not ready, once told to stop, so that load balancers notice [default: 5s]
    #[arg(long, env = "DOORWARD_SHUTDOWN_DELAY", value_name = "TIME", value_parser = parse_duration)]
    pub shutdown_delay: Option<Duration>,
    /// Read the store once per verification, instead of trusting this machine's clock
    #[arg(long, env = "DOORWARD_STRICT", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub strict: Option<bool>,
    /// The clock of verifications: `precise` for machines that suspend [default: coarse]
    #[arg(long, env = "DOORWARD_CLOCK", value_name = "CLOCK")]
    pub clock: Option<HotClock>,
    /// Take schemes of apps as allowed origins, such as com.example.app://callback; any app can claim one
    #[arg(long, env = "DOORWARD_CUSTOM_SCHEMES", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub custom_schemes: Option<bool>,
    /// A name or name:port by which MCP clients reach this server, beside those of --listen and --public-url; can be repeated
    #[arg(long = "mcp-host", env = "DOORWARD_MCP_HOSTS", value_name = "HOST", value_delimiter = ',')]
    pub mcp_hosts: Vec<String>,
    /// A TOML file with any of these options
    #[arg(long, env = "DOORWARD_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one object a line.
    Json,
}

/// Which clock tells a verification whether its node's lease has run out.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum HotClock {
    /// A few nanoseconds a verification; stops while the machine is suspended.
    #[default]
    Coarse,
    /// Some thirty nanoseconds; goes on in suspend.
    Precise,
}

/// Reads a number of bytes in which a body of one address fits.
fn at_least_a_body(text: &str) -> Result<usize, String> {
    let least = LEAST_BODY_BYTES;
    let bytes: usize = text.parse().map_err(|_| "a number of bytes is called for".to_owned())?;
    if bytes < least { Err(format!("one body must fit: at least {least}")) } else { Ok(bytes) }
}

/// Reads `500ms`, `5s` or `2m`; a bare number counts seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| "a time is written as 500ms, 5s or 2m".to_owned())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "" | "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        _ => Err(format!("`{unit}` is no unit of time: use ms, s or m")),
    }
}
