//! The settings of a store: the parameters of its URL, and those that a program adds.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;
use std::time::Duration;

use doorward_store::StoreError;
use tokio_postgres::Config;
use tokio_postgres::config::TargetSessionAttrs;

use crate::schema_name::SchemaName;
use crate::tls::TlsFiles;
use crate::url::{self, parameters};

/// The number of connections for one node's requests, unless the settings say another. More would not speed up changes,
/// which run one after another.
const POOL_SIZE: NonZeroU16 = NonZeroU16::MIN.saturating_add(7);

/// The parameters that `tokio_postgres` understands as libpq does.
const PASSED_ON: [&str; 15] = [
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "load_balance_hosts",
    "options",
    "password",
    "port",
    "sslnegotiation",
    "user",
];

/// The settings of a store in PostgreSQL, made from its URL.
///
/// ```no_run
/// # async fn example() -> Result<(), doorward_store::StoreError> {
/// use std::num::NonZeroU16;
///
/// use doorward_store::OpenMode;
/// use doorward_store_postgres::PostgresOptions;
///
/// let options: PostgresOptions = "postgres://app@db.internal/app?sslmode=verify-full".parse()?;
/// let store = options.schema("keys".parse()?).pool_size(NonZeroU16::MIN).open(OpenMode::Create).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresOptions {
    pub(crate) config: Config,
    pub(crate) tls: TlsFiles,
    pub(crate) schema: Option<SchemaName>,
    pub(crate) pool_size: NonZeroU16,
    pub(crate) listens: bool,
}

impl PostgresOptions {
    /// Keeps the tables in this schema, which is created if it is missing. The default is `doorward`, or the schema in
    /// which an older release made the store: the first of the user's `search_path`.
    #[must_use]
    pub fn schema(self, schema: SchemaName) -> Self {
        Self { schema: Some(schema), ..self }
    }

    /// Opens at most this number of connections for requests and changes. The default is 8.
    ///
    /// A node opens three connections in addition: one for polls, one for the rest of its protocol, one for LISTEN.
    #[must_use]
    pub const fn pool_size(mut self, connections: NonZeroU16) -> Self {
        self.pool_size = connections;
        self
    }

    /// Opens no connection for LISTEN: only polling finds changes of other nodes, a little later.
    #[must_use]
    pub const fn without_listen(mut self) -> Self {
        self.listens = false;
        self
    }
}

impl FromStr for PostgresOptions {
    type Err = StoreError;

    /// Reads a connection string in libpq's form: `postgres://USER@HOST/DATABASE?NAME=VALUE`, or a list of `NAME=VALUE`.
    /// No file is read.
    ///
    /// # Errors
    ///
    /// [`StoreError::Settings`] names the wrong or unknown parameter.
    fn from_str(text: &str) -> Result<Self, StoreError> {
        Reading::of(text).map_err(StoreError::Settings)
    }
}

/// The settings that were read so far.
struct Reading {
    passed_on: Vec<(String, String)>,
    client_certificate: (Option<String>, Option<String>),
    tcp_user_timeout: Option<Duration>,
    options: PostgresOptions,
}

impl Reading {
    fn of(text: &str) -> Result<PostgresOptions, String> {
        let options = PostgresOptions {
            config: Config::new(),
            tls: TlsFiles::default(),
            schema: None,
            pool_size: POOL_SIZE,
            listens: true,
        };
        let mut reading = Self { passed_on: vec![], client_certificate: (None, None), tcp_user_timeout: None, options };
        for (name, value) in parameters(text)? {
            reading.parameter(&name, value)?;
        }
        reading.end()
    }

    fn parameter(&mut self, name: &str, value: String) -> Result<(), String> {
        let wrong = |allowed: &str| format!("`{name}` in the store's URL is {allowed}");
        match name {
            "schema" => self.options.schema = Some(value.parse().map_err(|error: StoreError| error.to_string())?),
            "pool_size" => {
                self.options.pool_size = value.parse().map_err(|_| wrong("a number from 1 to 65535"))?;
            }
            "sslmode" => {
                let mode = match &*value {
                    "disable" | "prefer" | "require" => value,
                    // As weak as `prefer`: an attacker in between chooses.
                    "allow" => "prefer".to_owned(),
                    // Certificates are always verified, so these modes equal `require`.
                    "verify-ca" | "verify-full" => "require".to_owned(),
                    _ => return Err(wrong("disable, allow, prefer, require, verify-ca or verify-full")),
                };
                self.pass_on("sslmode", mode);
            }
            // The spelling of JDBC, which libpq reads too.
            "ssl" if value == "true" => self.pass_on("sslmode", "require".to_owned()),
            "sslrootcert" => self.options.tls.roots = (value != "system").then(|| value.into()),
            "sslcert" => self.client_certificate.0 = Some(value),
            "sslkey" => self.client_certificate.1 = Some(value),
            "keepalives_count" | "keepalives_retries" => self.pass_on("keepalives_retries", value),
            "tcp_user_timeout" => {
                let milliseconds = value.parse().map_err(|_| wrong("a number of milliseconds"))?;
                self.tcp_user_timeout = Some(Duration::from_millis(milliseconds)).filter(|limit| !limit.is_zero());
            }
            // Every connection looks for the primary.
            "target_session_attrs" if matches!(&*value, "any" | "primary" | "read-write") => {}
            "target_session_attrs" => {
                return Err(wrong("any, primary or read-write: only the primary has the newest state"));
            }
            known if PASSED_ON.contains(&known) => self.pass_on(known, value),
            unknown => return Err(of_unknown(unknown)),
        }
        Ok(())
    }

    fn pass_on(&mut self, name: &str, value: String) {
        self.passed_on.push((name.to_owned(), value));
    }

    fn end(self) -> Result<PostgresOptions, String> {
        let Self { passed_on, client_certificate, tcp_user_timeout, mut options } = self;
        options.tls.client = match client_certificate {
            (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
            (None, None) => None,
            _ => {
                return Err(
                    "`sslcert` and `sslkey` belong together: give both in the store's URL, or neither".to_owned()
                );
            }
        };
        for (name, value) in &passed_on {
            // One at a time, so that the error can name the parameter, and without the value.
            Config::from_str(&url::list(&[(name, value)]))
                .map_err(|_| format!("`{name}` in the store's URL has a value that it cannot have: correct it"))?;
        }
        let all: Vec<_> = passed_on.iter().map(|(name, value)| (&**name, &**value)).collect();
        options.config = Config::from_str(&url::list(&all)).map_err(|error| error.to_string())?;
        options.config.target_session_attrs(TargetSessionAttrs::Any);
        tcp_user_timeout.map(|limit| options.config.tcp_user_timeout(limit));
        Ok(options)
    }
}

/// Returns the error about a parameter that Doorward does not read, with a hint about the parameters of other programs.
fn of_unknown(name: &str) -> String {
    let is_about = |parts: &[&str]| parts.iter().any(|part| name.to_ascii_lowercase().contains(part));
    let hint = if is_about(&["pgbouncer", "statement_cache", "prepare", "statement-cache"]) {
        "take it out: the store prepares no statement at the server, and works behind a pooler as it is"
    } else if is_about(&["connection_limit", "max_connections", "pool", "max_size"]) {
        "the number of connections is `pool_size`"
    } else if is_about(&["search_path", "schema"]) {
        "the schema of the tables is `schema`"
    } else if is_about(&["passfile", "service", "sslpassword", "krb", "gss"]) {
        "take it out: this way to sign in is not supported. Put the password into the URL, or use `sslcert` and `sslkey`"
    } else {
        "take it out"
    };
    let known = PASSED_ON.join(", ");
    format!(
        "the store's URL has the parameter `{name}`, which Doorward does not know: {hint}. The parameters are schema, \
         pool_size, sslmode, sslrootcert, sslcert, sslkey, target_session_attrs, tcp_user_timeout, keepalives_count, {known}"
    )
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("schema", &self.schema)
            .field("pool_size", &self.pool_size)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::{Host, SslMode};

    use super::*;

    fn read(parameters: &str) -> PostgresOptions {
        format!("postgres://ada@a/k?{parameters}").parse().unwrap_or_else(|error| panic!("{parameters}: {error}"))
    }

    fn refusal(parameters: &str) -> String {
        match format!("postgres://ada:s3c@a/k?{parameters}").parse::<PostgresOptions>() {
            Err(StoreError::Settings(fault)) => fault,
            other => panic!("{parameters}: {other:?}"),
        }
    }

    #[test]
    fn urls_of_managed_providers_are_read() {
        for (mode, expected) in [
            ("disable", SslMode::Disable),
            ("allow", SslMode::Prefer),
            ("prefer", SslMode::Prefer),
            ("require", SslMode::Require),
            ("verify-ca", SslMode::Require),
            ("verify-full", SslMode::Require),
        ] {
            assert_eq!(read(&format!("sslmode={mode}")).config.get_ssl_mode(), expected);
        }
        assert_eq!(read("ssl=true").config.get_ssl_mode(), SslMode::Require);
        let options = read("sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem&channel_binding=require&connect_timeout=3");
        assert_eq!(options.tls.roots.as_deref(), Some("/etc/ca.pem".as_ref()));
        assert_eq!(options.config.get_connect_timeout(), Some(&Duration::from_secs(3)));
        assert_eq!(read("sslrootcert=system").tls.roots, None);
        assert!(read("sslcert=a.pem&sslkey=b.pem").tls.client.is_some());
        for accepted in [
            "target_session_attrs=read-write",
            "target_session_attrs=primary",
            "application_name=keys",
            "options=-csearch_path%3Dkeys",
            "keepalives=1&keepalives_idle=5&keepalives_interval=5&keepalives_count=3",
        ] {
            read(accepted);
        }
        assert_eq!(read("tcp_user_timeout=1500").config.get_tcp_user_timeout(), Some(&Duration::from_millis(1500)));
        let socket: PostgresOptions = "host=/var/run/postgresql dbname=keys user=ada".parse().unwrap();
        assert_eq!(socket.config.get_hosts(), [Host::Unix("/var/run/postgresql".into())]);
        let secret: PostgresOptions = "postgres://ada:p%40s%27s%5C@a".parse().unwrap();
        assert_eq!(secret.config.get_password(), Some(&b"p@s's\\"[..]));
    }

    #[test]
    fn the_schema_and_the_pool_are_settings_of_the_url() {
        let options = read("schema=keys&pool_size=3");
        assert_eq!((options.schema.unwrap().as_str(), options.pool_size.get()), ("keys", 3));
        assert_eq!((read("").schema, read("").pool_size.get()), (None, 8));
    }

    #[test]
    fn a_wrong_parameter_is_named_with_the_cure() {
        for (parameters, expected) in [
            ("pgbouncer=true", &["`pgbouncer`", "take it out"][..]),
            ("statement_cache_mode=describe", &["`statement_cache_mode`", "prepares no statement"]),
            ("connection_limit=1", &["`connection_limit`", "`pool_size`"]),
            ("currentSchema=keys", &["`currentSchema`", "`schema`"]),
            ("sslpassword=x", &["`sslpassword`", "not supported"]),
            ("foo=1", &["`foo`", "sslmode"]),
            ("sslmode=on", &["`sslmode`", "verify-full"]),
            ("schema=pg_keys", &["pg_keys", "PostgreSQL itself"]),
            ("schema=", &["is empty"]),
            ("pool_size=0", &["`pool_size`"]),
            ("sslcert=a.pem", &["`sslcert` and `sslkey`"]),
            ("target_session_attrs=standby", &["`target_session_attrs`", "primary"]),
            ("connect_timeout=soon", &["`connect_timeout`"]),
            ("port=http", &["`port`"]),
            ("channel_binding=maybe", &["`channel_binding`"]),
            ("user=bob", &["`user` is given twice"]),
        ] {
            let refused = refusal(parameters);
            assert!(expected.iter().all(|part| refused.contains(part)), "{parameters}: {refused}");
            assert!(!refused.contains("s3c"), "{refused}");
        }
    }

    #[test]
    fn no_password_is_in_the_debug_text() {
        let shown = format!("{:?}", read("password=s3c"));
        assert!(!shown.contains("s3c") && shown.contains("pool_size"), "{shown}");
    }
}
