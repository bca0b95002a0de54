//! The arguments of the program, each of which is also a variable.

use std::io::Write;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use clap_mangen::Man;
use doorward::StoreUrl;
use doorward::api::secret_scanning::GITHUB_KEYS_URL;
use doorward::api::secret_scanning::client::Endpoint;
use doorward::api::{Audience, MIN_BODY_BYTES};
use doorward::auth::LeakPolicy;
use doorward::types::parse_duration;
use doorward_listen::Network;
use doorward_observe::Style;
use serde::Deserialize;

/// The access-key layer of a backend: verifies API keys, keeps production and test apart, rotates without an outage.
///
/// Without arguments it listens on 127.0.0.1:8080, over the SQLite file doorward.db in this folder. On an empty store it makes
/// the organization `default`, and prints once its production key and a request to try.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "doorward-server",
    version,
    after_help = "The file of --config may hold every option, under the same name with _ for - (`mcp_hosts` is a list). Sinks of audit events \
                  can be set only in that file, in tables `[[sinks]]`.\n\
                  The key that seals credentials at rest comes from --sealing-key-file, from DOORWARD_SEALING_KEY (32 bytes in \
                  base64), from DOORWARD_SEALING_KEY_FILE, from the credential doorward-sealing-key of systemd, or from the file of \
                  --config, in this order. Without any of these, the first start makes the key beside the store. A store's URL \
                  with a password can come from the file of DOORWARD_STORE_FILE, or from the credential doorward-store; the key \
                  that signs checkpoints from the credential doorward-signing-key.\n\
                  On SIGHUP, the server reads certificates, secrets and --log again."
)]
pub struct Arguments {
    /// The store of the keys: sqlite:PATH or postgres://USER@HOST/DATABASE [default: sqlite:doorward.db]
    #[arg(long, env = "DOORWARD_STORE", hide_env_values = true, value_name = "URL")]
    pub store: Option<StoreUrl>,
    /// The address to serve on [default: 127.0.0.1:8080]
    #[arg(long, env = "DOORWARD_LISTEN", value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// The address to serve management and the page on, apart from --listen, which then has neither
    #[arg(long, env = "DOORWARD_ADMIN_LISTEN", value_name = "ADDR")]
    pub admin_listen: Option<SocketAddr>,
    /// The URL by which operators reach --admin-listen, if it is not that address
    #[arg(long, env = "DOORWARD_ADMIN_URL", value_name = "URL")]
    pub admin_url: Option<String>,
    /// The certificates, in PEM, of the authorities that sign the certificates of operators' browsers and programs; --admin-listen
    /// then asks each client for a certificate
    #[arg(long, env = "DOORWARD_ADMIN_CLIENT_CA", value_name = "FILE")]
    pub admin_client_ca: Option<PathBuf>,
    /// Serve MCP on --admin-listen too, and no longer on --listen
    #[arg(long, env = "DOORWARD_ADMIN_MCP", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub admin_mcp: Option<bool>,
    /// The address to serve metrics on [default: 127.0.0.1:9464]
    #[arg(long, env = "DOORWARD_METRICS_LISTEN", value_name = "ADDR")]
    pub metrics_listen: Option<SocketAddr>,
    /// The networks of the proxies in front of this server, whose X-Forwarded-For or Forwarded headers are believed:
    /// `10.0.0.0/8,127.0.0.1`; can be repeated
    #[arg(long, env = "DOORWARD_TRUSTED_PROXIES", value_name = "CIDR", value_delimiter = ',')]
    pub trusted_proxies: Vec<Network>,
    /// Expect the PROXY protocol, version 1 or 2, from the networks of --trusted-proxies, and close connections from elsewhere
    #[arg(long, env = "DOORWARD_PROXY_PROTOCOL", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub proxy_protocol: Option<bool>,
    /// Bring an older store up to date at the start: auto, or never [default: auto on SQLite, and on PostgreSQL if no node is
    /// registered]
    #[arg(long, env = "DOORWARD_MIGRATE", value_name = "WHEN")]
    pub migrate: Option<MigrateChoice>,
    /// The URL by which clients reach this server, if it is not the address that the server listens on
    #[arg(long, env = "DOORWARD_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// The certificate chain in PEM; enables TLS, and is read again when the file changes
    #[arg(long, env = "DOORWARD_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM
    #[arg(long, env = "DOORWARD_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// The file with the keys that seal credentials at rest, each of 32 bytes in base64 [default: beside the store]
    // DOORWARD_SEALING_KEY has precedence between this flag and its variable, so that `sealing_key` reads both variables.
    #[arg(long, value_name = "FILE")]
    pub sealing_key_file: Option<PathBuf>,
    /// The file with the key that signs checkpoints of audit logs, as `doorward audit keygen` prints it
    #[arg(long, env = "DOORWARD_SIGNING_KEY_FILE", value_name = "FILE")]
    pub signing_key_file: Option<PathBuf>,
    /// The file with the keys that sign assertions of a request's sender, as `doorward assertion-key rotate` makes it
    #[arg(long, env = "DOORWARD_ASSERTION_KEY_FILE", value_name = "FILE")]
    pub assertion_key_file: Option<PathBuf>,
    /// The audience of a forward-auth profile's assertions: `production=https://api.example.com`; can be repeated
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
    /// The access log on standard output, one line a request: off, text or json [default: off]
    #[arg(long, env = "DOORWARD_ACCESS_LOG", value_name = "FORMAT")]
    pub access_log: Option<AccessLogFormat>,
    /// Log one of so many requests; failures of the server, status 500 and above, are always logged [default: 1]
    #[arg(long, env = "DOORWARD_ACCESS_LOG_SAMPLE", value_name = "N")]
    pub access_log_sample: Option<NonZeroU64>,
    /// The URL that spans of requests are sent to, by OTLP over HTTP, such as http://localhost:4318/v1/traces
    #[cfg(feature = "otel")]
    #[arg(long, env = "DOORWARD_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    /// Maximum number of connections at once; more wait to be accepted [default: 16384]
    #[arg(long, env = "DOORWARD_MAX_CONNECTIONS", value_name = "N")]
    pub max_connections: Option<usize>,
    /// Maximum number of connections of one source address; more are closed [default: a quarter of all]
    #[arg(long, env = "DOORWARD_MAX_CONNECTIONS_PER_ADDRESS", value_name = "N")]
    pub max_connections_per_address: Option<usize>,
    /// Maximum number of bytes in bodies that are being received at once; one address may use a quarter [default: 67108864]
    #[arg(long, env = "DOORWARD_MAX_BODY_BYTES", value_name = "N", value_parser = at_least_a_body)]
    pub max_body_bytes: Option<usize>,
    /// Maximum number of calls of connectors at once [default: 256]
    #[arg(long, env = "DOORWARD_MAX_CONNECTOR_CALLS", value_name = "N")]
    pub max_connector_calls: Option<usize>,
    /// Maximum number of calls of connectors at once by one key [default: 16]
    #[arg(long, env = "DOORWARD_MAX_CONNECTOR_CALLS_PER_KEY", value_name = "N")]
    pub max_connector_calls_per_key: Option<usize>,
    /// Maximum number of filtered lists, exports and checkpoints of audit logs at once [default: 8]
    #[arg(long, env = "DOORWARD_MAX_SCANS", value_name = "N")]
    pub max_scans: Option<usize>,
    /// Maximum number of filtered lists, exports and checkpoints at once by one key or operator [default: 2]
    #[arg(long, env = "DOORWARD_MAX_SCANS_PER_KEY", value_name = "N")]
    pub max_scans_per_key: Option<usize>,
    /// The time to go on serving, not ready, after the signal to stop, so that load balancers notice [default: 5s]
    #[arg(long, env = "DOORWARD_SHUTDOWN_DELAY", value_name = "TIME", value_parser = parse_duration)]
    pub shutdown_delay: Option<Duration>,
    /// The time between the closing of an organization and the erasure of its data [default: 30d]
    #[arg(long, env = "DOORWARD_ERASE_CLOSED_AFTER", value_name = "TIME", value_parser = parse_duration)]
    pub erase_closed_after: Option<Duration>,
    /// Take reports of leaked keys from anybody, at /v1/leak-reports [default: true]
    #[arg(long, env = "DOORWARD_LEAK_REPORTS", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub leak_reports: Option<bool>,
    /// The answer to a report that a production key has leaked: notify, quarantine or revoke [default: notify]
    #[arg(long, env = "DOORWARD_LEAKED_PRODUCTION_KEYS", value_name = "POLICY")]
    pub leaked_production_keys: Option<LeakPolicy>,
    /// The answer to a report that a test key has leaked: notify, quarantine or revoke [default: notify]
    #[arg(long, env = "DOORWARD_LEAKED_TEST_KEYS", value_name = "POLICY")]
    pub leaked_test_keys: Option<LeakPolicy>,
    /// Take GitHub's signed reports of leaked keys; the URL is that of GitHub's public keys
    #[arg(long, env = "DOORWARD_GITHUB_LEAK_REPORTS", value_name = "URL", num_args = 0..=1, default_missing_value = GITHUB_KEYS_URL)]
    pub github_leak_reports: Option<Endpoint>,
    /// Read the store at each verification, instead of trusting this machine's clock
    #[arg(long, env = "DOORWARD_STRICT", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub strict: Option<bool>,
    /// The clock of verifications: `precise` for machines that suspend [default: coarse]
    #[arg(long, env = "DOORWARD_CLOCK", value_name = "CLOCK")]
    pub clock: Option<ClockChoice>,
    /// Accept schemes of apps as allowed origins, such as com.example.app://callback; any app can claim a scheme
    #[arg(long, env = "DOORWARD_CUSTOM_SCHEMES", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub custom_schemes: Option<bool>,
    /// Another name or name:port by which MCP clients reach this server, beside --listen and --public-url; can be repeated
    #[arg(long = "mcp-host", env = "DOORWARD_MCP_HOSTS", value_name = "HOST", value_delimiter = ',')]
    pub mcp_hosts: Vec<String>,
    /// A TOML file with any of these options
    #[arg(long, env = "DOORWARD_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Look at everything that a start needs, change nothing, and end: with exit status 0 if a server would start, 1 if it would
    /// not, and 2 if a setting cannot work
    #[arg(long)]
    pub check: bool,
    /// Print the manual page
    #[arg(long)]
    pub man: bool,
}

/// The pages of the commands, which another program writes.
const SEE_ALSO: &str = ".SH \"SEE ALSO\"\n\\fBdoorward\\fR(1)\n";

impl Arguments {
    /// Writes the manual page of the server, for section 8.
    ///
    /// # Errors
    ///
    /// Fails if `out` cannot be written.
    pub fn manual(out: &mut dyn Write) -> std::io::Result<()> {
        Man::new(Self::command()).section("8").render(out)?;
        out.write_all(SEE_ALSO.as_bytes())
    }
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

impl From<LogFormat> for Style {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Text => Self::Text,
            LogFormat::Json => Self::Json,
        }
    }
}

/// The form of the access log's lines.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum AccessLogFormat {
    /// There is no access log.
    #[default]
    Off,
    /// For people.
    Text,
    /// For machines: one object a line.
    Json,
}

impl AccessLogFormat {
    /// Returns the style of lines, if there are any.
    #[must_use]
    pub const fn style(self) -> Option<Style> {
        match self {
            Self::Off => None,
            Self::Text => Some(Style::Text),
            Self::Json => Some(Style::Json),
        }
    }
}

/// The choice when an older program made the store.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum MigrateChoice {
    /// Bring it up to date.
    Auto,
    /// End the start: `doorward store migrate` is a step of its own.
    Never,
}

/// The clock by which verifications see that their node's lease has ended.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ClockChoice {
    /// Costs a few nanoseconds a verification; stops while the machine is suspended.
    #[default]
    Coarse,
    /// Costs some thirty nanoseconds; goes on while the machine is suspended.
    Precise,
}

/// Reads a number of bytes that has room for one body of an address.
fn at_least_a_body(text: &str) -> Result<usize, String> {
    let least = MIN_BODY_BYTES;
    let bytes: usize = text.parse().map_err(|_| "write a number of bytes".to_owned())?;
    if bytes < least { Err(format!("one body must fit: at least {least}")) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_page_has_every_option_and_no_empty_section() {
        let mut page = Vec::new();
        Arguments::manual(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        assert!(page.contains(".TH doorward-server 8"), "{page}");
        for section in page.split(".SH ").skip(1) {
            let (title, body) = section.split_once('\n').unwrap();
            assert!(!body.trim().is_empty(), "{title} is empty");
        }
        for argument in Arguments::command().get_arguments() {
            let option = argument.get_long().unwrap().replace('-', "\\-");
            assert!(page.contains(&format!("\\-\\-{option}")), "{option}");
            assert!(argument.get_help().is_some(), "{option}");
        }
    }
}
