//! The configuration: flags override the environment, which overrides the file, which overrides the defaults.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use doorward::StoreUrl;
use doorward::api::secret_scanning::client::Endpoint;
use doorward::api::{self, Audience};
use doorward::auth::{ERASURE_DELAY, LeakPolicies, LeakPolicy};
use doorward::secret_files::credential;
use doorward::store::Migration;
use doorward::types::{Foreign, parse_duration};
use doorward_listen::{Limits, Network, Proxies, TlsFiles};
use doorward_observe::Filter;
use http::Uri;
use serde::Deserialize;

use crate::arguments::{AccessLogFormat, Arguments, ClockChoice, LogFormat, MigrateChoice};
use crate::environment;
#[cfg(feature = "oidc")]
use crate::identity::IdentityConfig;
use crate::sinks::SinkConfig;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    store: Option<String>,
    listen: Option<SocketAddr>,
    admin_listen: Option<SocketAddr>,
    admin_url: Option<String>,
    admin_client_ca: Option<PathBuf>,
    admin_mcp: Option<bool>,
    metrics_listen: Option<SocketAddr>,
    #[serde(default)]
    trusted_proxies: Vec<String>,
    proxy_protocol: Option<bool>,
    public_url: Option<String>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    sealing_key_file: Option<PathBuf>,
    signing_key_file: Option<PathBuf>,
    assertion_key_file: Option<PathBuf>,
    #[serde(default)]
    assertion_audiences: BTreeMap<String, String>,
    log: Option<String>,
    log_format: Option<LogFormat>,
    migrate: Option<MigrateChoice>,
    access_log: Option<AccessLogFormat>,
    access_log_sample: Option<NonZeroU64>,
    #[cfg(feature = "otel")]
    otlp_endpoint: Option<String>,
    max_connections: Option<usize>,
    max_connections_per_address: Option<usize>,
    max_body_bytes: Option<usize>,
    max_connector_calls: Option<usize>,
    max_connector_calls_per_key: Option<usize>,
    max_scans: Option<usize>,
    max_scans_per_key: Option<usize>,
    shutdown_delay: Option<String>,
    erase_closed_after: Option<String>,
    leak_reports: Option<bool>,
    leaked_production_keys: Option<LeakPolicy>,
    leaked_test_keys: Option<LeakPolicy>,
    github_leak_reports: Option<String>,
    strict: Option<bool>,
    clock: Option<ClockChoice>,
    custom_schemes: Option<bool>,
    #[serde(default)]
    mcp_hosts: Vec<String>,
    #[serde(default)]
    sinks: Vec<SinkConfig>,
    #[cfg(feature = "oidc")]
    identity_provider: Option<IdentityConfig>,
}

/// The merged configuration.
#[derive(Debug)]
pub struct Config {
    /// The store of the keys.
    pub store: StoreUrl,
    /// The address to serve on.
    pub listen: SocketAddr,
    /// The listener of operators, if it is apart.
    pub admin: Option<AdminConfig>,
    /// The address to serve metrics on, if it was chosen.
    pub metrics_listen: Option<SocketAddr>,
    /// The proxies in front of the address to serve on.
    pub proxies: Proxies,
    /// The URL by which clients reach this server.
    pub public_url: Option<String>,
    /// The files of the certificate and its key, if clients speak TLS.
    pub tls: Option<TlsFiles>,
    /// The file of the sealing keys, as a flag names it: before the environment.
    pub sealing_key_flag: Option<PathBuf>,
    /// The file of the sealing keys, as the configuration file names it: after the environment.
    pub sealing_key_file: Option<PathBuf>,
    /// The file of the key that signs checkpoints.
    pub signing_key_file: Option<PathBuf>,
    /// The file of the keys that sign assertions.
    pub assertion_key_file: Option<PathBuf>,
    /// The audiences of assertions.
    pub assertion_audiences: Vec<Audience>,
    /// The filter of the log.
    pub log: String,
    /// The form of the log.
    pub log_format: LogFormat,
    /// The choice when an older program made the store.
    pub migration: Migration,
    /// The form of the access log.
    pub access_log: AccessLogFormat,
    /// The access log has one of so many requests.
    pub access_log_sample: NonZeroU64,
    /// The collector of spans of requests.
    #[cfg(feature = "otel")]
    pub otlp_endpoint: Option<String>,
    /// Limits on connections.
    pub limits: Limits,
    /// Limits on work that is under way.
    pub budgets: api::Limits,
    /// The time to go on serving, not ready, after the signal to stop.
    pub shutdown_delay: Duration,
    /// The time between the closing of an organization and the erasure of its data.
    pub erase_closed_after: Duration,
    /// The URL of GitHub's public keys, if the server takes GitHub's reports of leaked keys.
    pub github_leak_reports: Option<Endpoint>,
    /// True if anybody may report leaked keys.
    pub leak_reports: bool,
    /// The answers to reports that keys have leaked.
    pub leak_policies: LeakPolicies,
    /// True if each verification reads the store.
    pub strict: bool,
    /// The clock of verifications.
    pub clock: ClockChoice,
    /// True if schemes of apps may be allowed origins.
    pub custom_schemes: bool,
    /// Further names by which MCP clients reach this server.
    pub mcp_hosts: Vec<String>,
    /// The sinks of audit events: set in the file only, never by a request.
    pub sinks: Vec<SinkConfig>,
    /// The identity provider of operators: set in the file only.
    #[cfg(feature = "oidc")]
    pub identity_provider: Option<IdentityConfig>,
    /// The warnings at the start, about settings that may be mistakes.
    pub warnings: Vec<String>,
}

/// The listener of operators: management, and the page.
#[derive(Clone, Debug)]
pub struct AdminConfig {
    /// The address to serve on.
    pub listen: SocketAddr,
    /// The URL by which operators reach it.
    pub url: Option<String>,
    /// The authorities that sign the certificates of clients.
    pub client_authorities: Option<PathBuf>,
    /// True if it serves MCP too.
    pub mcp: bool,
}

/// The default time for load balancers to notice: two of the usual checks.
const SHUTDOWN_DELAY: Duration = Duration::from_secs(5);

impl Config {
    /// Merges the four sources.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, or has an unknown name or an invalid value, or if settings cannot work. The error names
    /// the setting.
    pub fn new(arguments: Arguments) -> anyhow::Result<Self> {
        let file = match &arguments.config {
            None => File::default(),
            Some(path) => {
                let text =
                    std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
                toml::from_str(&text).with_context(|| format!("{} is not a valid configuration", path.display()))?
            }
        };
        let file_delay = file_duration(file.shutdown_delay, "shutdown_delay")?;
        let file_github = file.github_leak_reports.map(|url| url.parse()).transpose();
        let file_github = file_github.context("`github_leak_reports` in the file")?;
        let LeakPolicies { production, test, .. } = LeakPolicies::default();
        let production = arguments.leaked_production_keys.or(file.leaked_production_keys).unwrap_or(production);
        let test = arguments.leaked_test_keys.or(file.leaked_test_keys).unwrap_or(test);
        let file_erasure = file_duration(file.erase_closed_after, "erase_closed_after")?;
        let audiences = file.assertion_audiences.into_iter().map(|(profile, audience)| format!("{profile}={audience}"));
        let file_audiences = audiences.map(|text| text.parse()).collect::<Result<_, &str>>();
        let file_audiences = file_audiences.map_err(anyhow::Error::msg).context("`assertion_audiences` in the file")?;
        let file_proxies = file.trusted_proxies.iter().map(|text| text.parse()).collect::<Result<_, _>>();
        let file_proxies = file_proxies.context("`trusted_proxies` in the file")?;
        let file_store = file.store.map(|url| url.parse::<StoreUrl>()).transpose().context("`store` in the file")?;
        if let (Some(path), Some(store)) = (&arguments.config, &file_store) {
            refuse_password_for_everyone(path, store)?;
        }
        let signing_key = credential(environment::SIGNING_KEY_CREDENTIAL);
        let store = usable(environment::store(arguments.store)?.or(file_store).unwrap_or_default())?;
        let config = Self {
            listen: arguments.listen.or(file.listen).unwrap_or((Ipv4Addr::LOCALHOST, 8080).into()),
            admin: admin(
                arguments.admin_listen.or(file.admin_listen),
                arguments.admin_url.or(file.admin_url),
                arguments.admin_client_ca.or(file.admin_client_ca),
                arguments.admin_mcp.or(file.admin_mcp),
            )?,
            metrics_listen: arguments.metrics_listen.or(file.metrics_listen),
            proxies: proxies(
                if arguments.trusted_proxies.is_empty() { file_proxies } else { arguments.trusted_proxies },
                arguments.proxy_protocol.or(file.proxy_protocol).unwrap_or_default(),
            )?,
            public_url: arguments.public_url.or(file.public_url),
            tls: tls_files(arguments.tls_cert.or(file.tls_cert), arguments.tls_key.or(file.tls_key))?,
            sealing_key_flag: arguments.sealing_key_file,
            sealing_key_file: file.sealing_key_file,
            signing_key_file: arguments.signing_key_file.or(signing_key).or(file.signing_key_file),
            assertion_key_file: arguments.assertion_key_file.or(file.assertion_key_file),
            assertion_audiences: if arguments.assertion_audiences.is_empty() {
                file_audiences
            } else {
                arguments.assertion_audiences
            },
            log: arguments.log.or(file.log).unwrap_or_else(|| "info".to_owned()),
            log_format: arguments.log_format.or(file.log_format).unwrap_or_default(),
            migration: match (arguments.migrate.or(file.migrate), &store) {
                (Some(MigrateChoice::Auto), _) | (None, StoreUrl::Sqlite { .. }) => Migration::Always,
                (Some(MigrateChoice::Never), _) => Migration::Never,
                (None, _) => Migration::IfAlone,
            },
            store,
            access_log: arguments.access_log.or(file.access_log).unwrap_or_default(),
            access_log_sample: arguments.access_log_sample.or(file.access_log_sample).unwrap_or(NonZeroU64::MIN),
            #[cfg(feature = "otel")]
            otlp_endpoint: arguments.otlp_endpoint.or(file.otlp_endpoint),
            limits: Limits::new(
                arguments.max_connections.or(file.max_connections),
                arguments.max_connections_per_address.or(file.max_connections_per_address),
            ),
            budgets: api::Limits::default()
                .with_body_bytes(arguments.max_body_bytes.or(file.max_body_bytes))
                .with_connector_calls(arguments.max_connector_calls.or(file.max_connector_calls))
                .with_connector_calls_per_key(
                    arguments.max_connector_calls_per_key.or(file.max_connector_calls_per_key),
                )
                .with_scans(arguments.max_scans.or(file.max_scans))
                .with_scans_per_key(arguments.max_scans_per_key.or(file.max_scans_per_key)),
            shutdown_delay: arguments.shutdown_delay.or(file_delay).unwrap_or(SHUTDOWN_DELAY),
            github_leak_reports: arguments.github_leak_reports.or(file_github),
            leak_reports: arguments.leak_reports.or(file.leak_reports).unwrap_or(true),
            leak_policies: LeakPolicies::default().with_production(production).with_test(test),
            erase_closed_after: arguments.erase_closed_after.or(file_erasure).unwrap_or(ERASURE_DELAY),
            strict: arguments.strict.or(file.strict).unwrap_or_default(),
            clock: arguments.clock.or(file.clock).unwrap_or_default(),
            custom_schemes: arguments.custom_schemes.or(file.custom_schemes).unwrap_or_default(),
            mcp_hosts: if arguments.mcp_hosts.is_empty() { file.mcp_hosts } else { arguments.mcp_hosts },
            sinks: file.sinks,
            #[cfg(feature = "oidc")]
            identity_provider: file.identity_provider,
            warnings: environment::unknown()
                .into_iter()
                .map(|name| format!("the variable {name} is set, but this program does not read it"))
                .collect(),
        };
        config.checked()
    }

    /// Refuses settings that cannot work, each or together.
    fn checked(mut self) -> anyhow::Result<Self> {
        self.log.parse::<Filter>().context("`--log`")?;
        if let Some(admin) = &self.admin {
            if let Some(url) = &admin.url {
                host_of(url).with_context(|| format!("`--admin-url {}`", Foreign::new(url)))?;
            }
            if admin.client_authorities.is_some() && self.tls.is_none() {
                bail!("--admin-client-ca needs --tls-cert and --tls-key: only TLS has certificates of clients");
            }
            if admin.listen == self.listen && admin.listen.port() != 0 {
                bail!("--admin-listen and --listen are the same address: management would not be apart");
            }
        }
        let serves_others = !self.listen.ip().is_loopback();
        match &self.public_url {
            Some(url) => {
                let host = host_of(url).with_context(|| format!("`--public-url {}`", Foreign::new(url)))?;
                if serves_others && is_this_machine(&host) {
                    bail!(
                        "`--listen {}` serves other machines, and `--public-url {url}` leads each of them to itself: set \
                         --public-url to this server's name on the network, or listen on 127.0.0.1",
                        self.listen
                    );
                }
            }
            None if serves_others && self.listen.ip().is_unspecified() => self.warnings.push(format!(
                "`--listen {}` serves other machines, and --public-url is not set: sign-in links and the redirect URIs of \
                 third parties lead to 127.0.0.1, where other machines reach themselves",
                self.listen
            )),
            None => {}
        }
        Ok(self)
    }
}

fn admin(
    listen: Option<SocketAddr>,
    url: Option<String>,
    client_authorities: Option<PathBuf>,
    mcp: Option<bool>,
) -> anyhow::Result<Option<AdminConfig>> {
    match listen {
        Some(listen) => Ok(Some(AdminConfig { listen, url, client_authorities, mcp: mcp.unwrap_or_default() })),
        None if url.is_some() || client_authorities.is_some() || mcp.is_some() => {
            bail!("--admin-url, --admin-client-ca and --admin-mcp need --admin-listen")
        }
        None => Ok(None),
    }
}

fn proxies(networks: Vec<Network>, protocol: bool) -> anyhow::Result<Proxies> {
    if protocol && networks.is_empty() {
        bail!("--proxy-protocol needs --trusted-proxies: a stranger could name any address as its own");
    }
    let proxies = Proxies::trusted(&networks);
    Ok(if protocol { proxies.with_protocol() } else { proxies })
}

/// Reads a setting of the file that is a time.
fn file_duration(text: Option<String>, name: &str) -> anyhow::Result<Option<Duration>> {
    let read = text.as_deref().map(parse_duration).transpose();
    read.with_context(|| format!("`{name}` in the file"))
}

fn tls_files(certificates: Option<PathBuf>, key: Option<PathBuf>) -> anyhow::Result<Option<TlsFiles>> {
    match (certificates, key) {
        (Some(certificates), Some(key)) => Ok(Some(TlsFiles::new(certificates, key))),
        (None, None) => Ok(None),
        _ => bail!("TLS needs both --tls-cert and --tls-key"),
    }
}

/// Returns the host of a URL to which paths can be appended.
fn host_of(url: &str) -> anyhow::Result<String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        bail!("it has no scheme: write it as https://keys.example.com");
    };
    if !matches!(scheme, "https" | "http") {
        bail!("its scheme is neither https nor http");
    }
    if rest.contains(['?', '#', '@']) {
        bail!(
            "it has a query, a fragment or a user, and paths are appended to it: write it as https://keys.example.com"
        );
    }
    let uri: Uri = url.parse().context("it is not a URL")?;
    let host = uri.host().filter(|host| !host.is_empty()).context("it has no host")?;
    if uri.authority().is_some_and(|authority| authority.as_str() != host && authority.port_u16().is_none()) {
        bail!("its port is not a number from 0 to 65535");
    }
    Ok(host.trim_start_matches('[').trim_end_matches(']').to_owned())
}

fn is_this_machine(host: &str) -> bool {
    let is_loopback = host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified());
    is_loopback || host == "localhost" || host.ends_with(".localhost")
}

/// Refuses a store that no server can use.
fn usable(store: StoreUrl) -> anyhow::Result<StoreUrl> {
    if store == StoreUrl::Memory {
        bail!("--store: a store in memory is gone with the server: name a file, such as sqlite:doorward.db");
    }
    store.check().context("--store")?;
    Ok(store)
}

/// Refuses a file that everyone on the machine can read, if it holds a password.
#[cfg(unix)]
fn refuse_password_for_everyone(path: &Path, store: &StoreUrl) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path)?.permissions().mode() & 0o777;
    if store.has_password() && mode & 0o007 != 0 {
        bail!(
            "`store` in {} holds a password, and everyone can read that file (mode {mode:o}): chmod 640 it, or set the URL in \
             the file of DOORWARD_STORE_FILE",
            path.display()
        );
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_password_for_everyone(_: &Path, _: &StoreUrl) -> anyhow::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn config(arguments: &[&str]) -> anyhow::Result<Config> {
        Config::new(Arguments::try_parse_from([&["doorward-server"], arguments].concat())?)
    }

    #[test]
    fn without_arguments_it_serves_this_machine_only() {
        let config = config(&[]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.store.to_string(), "sqlite:doorward.db");
    }

    #[test]
    fn flags_stand_before_the_file_and_the_file_before_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("doorward.toml");
        std::fs::write(&path, "listen = '127.0.0.1:1'\nstore = 'sqlite:file.db'\nlog_format = 'json'").unwrap();
        let path = path.to_str().unwrap();
        let config = config(&["--config", path, "--listen", "127.0.0.1:2"]).unwrap();
        assert_eq!(config.listen.port(), 2);
        assert_eq!(config.store.to_string(), "sqlite:file.db");
        assert_eq!(config.log_format, LogFormat::Json);
    }

    #[test]
    fn unknown_settings_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("doorward.toml");
        let texts = ["lissten = '127.0.0.1:1'", "listen = 8080", "store = 'mysql:x'", "listen"];
        let sinks = ["[[sinks]]", "[[sinks]]\nname = 'a'\nshape = 'x'", "[[sinks]]\nname = 'a'\nurl = 'x'"];
        for text in texts.into_iter().chain(sinks) {
            std::fs::write(&path, text).unwrap();
            assert!(config(&["--config", path.to_str().unwrap()]).is_err(), "{text}");
        }
        assert!(config(&["--store", "mysql:x"]).is_err());
        assert!(config(&["--config", "/nowhere.toml"]).is_err());
    }

    #[test]
    fn settings_that_cannot_work_are_named() {
        for (settings, why) in [
            (&["--public-url", "keys.example.com"][..], "`--public-url keys.example.com`: it has no scheme"),
            (&["--public-url", "not-a-url"], "it has no scheme"),
            (&["--public-url", ""], "it has no scheme"),
            (&["--public-url", "ftp://keys.example.com"], "its scheme is neither"),
            (&["--public-url", "https://"], "it is not a URL"),
            (&["--public-url", "https://keys.example.com/?x"], "it has a query"),
            (&["--public-url", "https://keys.example.com/#y"], "a fragment"),
            (&["--public-url", "https://a:b@keys.example.com"], "or a user"),
            (&["--public-url", "https://keys.example.com:x"], "its port is not a number"),
            (&["--public-url", "https://keys.example.com:99999"], "its port is not a number"),
            (&["--log", "inof"], "`--log`: `inof` is not a level"),
            (&["--log", "doorward=debgu"], "`--log`"),
            (&["--log", "dooward=debug"], "`--log`: no part of this program is called `dooward`"),
            (&["--log", "foo=bar=baz"], "`--log`"),
            (&["--log", "doorward=[[bad"], "`--log`"),
            (&["--log", ""], "`--log`"),
            (
                &["--listen", "0.0.0.0:1", "--public-url", "http://127.0.0.1:1"],
                "`--listen 0.0.0.0:1` serves other machines",
            ),
            (&["--listen", "[::]:1", "--public-url", "http://localhost:1"], "`--public-url http://localhost:1`"),
            (&["--listen", "192.0.2.1:1", "--public-url", "http://[::1]:1"], "leads each of them to itself"),
            (&["--tls-cert", "a.pem"], "both --tls-cert and --tls-key"),
            (&["--admin-mcp"], "need --admin-listen"),
            (&["--admin-url", "https://admin.example.com"], "need --admin-listen"),
            (&["--admin-listen", "127.0.0.1:1", "--admin-url", "admin"], "`--admin-url admin`: it has no scheme"),
            (&["--admin-listen", "127.0.0.1:1", "--admin-client-ca", "ca.pem"], "needs --tls-cert and --tls-key"),
            (&["--admin-listen", "127.0.0.1:8080"], "are the same address"),
            (&["--proxy-protocol"], "--proxy-protocol needs --trusted-proxies"),
            (&["--trusted-proxies", "10.0.0.0/8,::/0"], "this network is everyone"),
        ] {
            let refused = format!("{:#}", config(settings).unwrap_err());
            assert!(refused.contains(why), "{settings:?}: {refused}");
        }
        for settings in [
            &["--public-url", "https://keys.example.com"][..],
            &["--public-url", "http://keys.example.com:8080/behind/a/path/"],
            &["--listen", "0.0.0.0:1", "--public-url", "https://keys.example.com"],
            &["--public-url", "http://localhost:8080"],
            &["--log", "info"],
            &["--log", "WARN,doorward=debug,hyper=off,doorward_server::serve=trace"],
        ] {
            assert!(config(settings).is_ok_and(|config| config.warnings.is_empty()), "{settings:?}");
        }
        let warned = config(&["--listen", "0.0.0.0:1"]).unwrap().warnings;
        assert!(warned.len() == 1 && warned[0].contains("--public-url is not set"), "{warned:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_password_that_everyone_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("doorward.toml");
        let with = |store: &str, mode| {
            std::fs::write(&path, format!("store = '{store}'")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            config(&["--config", path.to_str().unwrap()]).map(drop).map_err(|error| format!("{error:#}"))
        };
        let secret = "postgres://doorward:s3cret@db.internal/doorward";
        for mode in [0o644, 0o666, 0o604] {
            let refused = with(secret, mode).unwrap_err();
            assert!(refused.contains("`store` in ") && refused.contains("holds a password"), "{refused}");
            assert!(!refused.contains("s3cret"), "{refused}");
        }
        for mode in [0o600, 0o640] {
            assert_eq!(with(secret, mode), Ok(()));
        }
        assert_eq!(with("postgres://doorward@db.internal/doorward", 0o644), Ok(()));
        assert_eq!(with("sqlite:a.db", 0o644), Ok(()));
    }
}
