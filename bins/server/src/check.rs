//! `--check`: looks at everything that a start needs. It serves nothing, and changes nothing.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, anyhow, bail};
use doorward::StoreUrl;
use doorward::auth::Core;
use doorward::records::Store;
use doorward::store::{Migration, OpenMode, StoreError};
use doorward::types::{Clock, SystemClock, Timestamp};
use doorward_listen::{Observer, Tls, TlsFiles};
#[cfg(feature = "otel")]
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::config::Config;
#[cfg(feature = "otel")]
use crate::logging;
use crate::writable::check_writable;
use crate::{assertions, sealing_key, signing_key, sinks};

/// The largest difference between two clocks that is no fault: networks and databases take that long.
const CLOCK_TOLERANCE_MILLIS: i64 = 1_000;

/// Prints a line for each check on standard output. Returns false if a start would fail.
pub async fn run(config: &Config) -> bool {
    let mut report = Report::default();
    report.tell("configuration", Ok(format!("{} warnings", config.warnings.len())));
    for warning in &config.warnings {
        report.tell("configuration", Ok(format!("warning: {warning}")));
    }
    if let Some(store) = store(config, &mut report).await {
        let core = Core::new(store.clone());
        report.tell("sealing key", sealing_key::check(config, &*store, &core).await);
        report.tell("lost changes", lost_changes(&*store).await);
        report.tell("clock", clock(&*store).await);
    }
    let file = |is_set: bool| if is_set { "the file can be used" } else { "none is set" }.to_owned();
    report.tell("signing key", signing_key::load(config).map(|key| file(key.is_some())));
    let public_url = config.public_url.as_deref();
    let asserted = assertions::start(config.assertion_key_file.clone(), &config.assertion_audiences, public_url);
    report.tell("assertion keys", asserted.map(|keys| file(keys.is_some())));
    report.tell("sinks", sinks::check(&config.sinks));
    #[cfg(feature = "otel")]
    report.tell(
        "--otlp-endpoint",
        logging::traces(config, &Handle::current())
            .map(|traces| if traces.is_some() { "it can be used" } else { "none is set" }.to_owned()),
    );
    report.tell("certificate", certificate("clients", config.tls.clone()).await);
    if let Some(admin) = &config.admin {
        let files = config.tls.clone().map(|files| files.with_client_authorities(admin.client_authorities.clone()));
        report.tell("certificate of operators", certificate("operators", files).await);
        report.tell("--admin-listen", address(admin.listen));
    }
    report.tell("--listen", address(config.listen));
    if let Some(metrics) = config.metrics_listen {
        report.tell("--metrics-listen", address(metrics));
    }
    !report.has_failed
}

#[derive(Default)]
struct Report {
    has_failed: bool,
}

impl Report {
    fn tell(&mut self, what: &str, found: anyhow::Result<String>) {
        let (state, text) = match found {
            Ok(found) => ("ok", found),
            Err(error) => ("FAILED", format!("{error:#}")),
        };
        self.has_failed |= state == "FAILED";
        // A reader that ends, as `head` does, has what it wants. The exit status tells the rest.
        let _ = writeln!(std::io::stdout(), "{state:8}{what}: {text}");
    }
}

/// Looks at the store's version, and opens the store as it is.
async fn store(config: &Config, report: &mut Report) -> Option<Arc<dyn Store>> {
    let url = &config.store;
    let failed = |error: StoreError| Err(anyhow::Error::new(error).context(url.to_string()));
    let state = match doorward::schema(url).await {
        Ok(state) => state,
        Err(StoreError::NotFound) => {
            let made = match url {
                StoreUrl::Sqlite { must_exist: true, .. } => {
                    Err(anyhow!("there is none at {url}, and `mode=rw` in its URL makes none"))
                }
                StoreUrl::Sqlite { path, .. } => check_writable(path),
                _ => Ok(()),
            };
            report.tell("store", made.map(|()| format!("there is none at {url}: the first start makes it")));
            report.tell("sealing key", sealing_key::check_without_store(config));
            return None;
        }
        Err(error) => {
            report.tell("store", failed(error));
            return None;
        }
    };
    let store = match doorward::open(url, OpenMode::Existing.with_migration(Migration::Skip)).await {
        Ok(store) => store,
        Err(error) => {
            report.tell("store", failed(error));
            return None;
        }
    };
    let missing = state.missing();
    let version = match (missing, config.migration) {
        (0, _) => Ok(format!("{url}, of version {}", state.found)),
        (_, Migration::Never) => Err(anyhow!("{url} lacks {missing} migrations: run `doorward store migrate`")),
        (_, Migration::IfAlone) => match has_nodes(&*store).await {
            Ok(false) => Ok(format!("{url} lacks {missing} migrations, which the start takes: no node is registered")),
            Ok(true) => Err(anyhow!(
                "{url} lacks {missing} migrations, and nodes are registered: run `doorward store migrate` first"
            )),
            Err(error) => failed(error),
        },
        _ => Ok(format!("{url} lacks {missing} migrations, which the start takes")),
    };
    report.tell("store", version);
    Some(store)
}

async fn has_nodes(store: &dyn Store) -> Result<bool, StoreError> {
    let (_, sessions) = store.sessions().await?.proved_of_any_store()?;
    Ok(sessions.iter().any(|status| !status.retired))
}

async fn lost_changes(store: &dyn Store) -> anyhow::Result<String> {
    let open = store.lost_changes().await?.iter().filter(|lost| !lost.accepted).count();
    if open > 0 {
        bail!("the store lost {open} changes, and no node serves: `doorward store lost` tells what to do");
    }
    Ok("the store has every change that it confirmed".to_owned())
}

async fn clock(store: &dyn Store) -> anyhow::Result<String> {
    let Some(theirs) = store.store_time().await? else { return Ok("the store is on this machine".to_owned()) };
    let ahead = SystemClock.now().as_millis() - theirs.as_millis();
    if ahead.abs() > CLOCK_TOLERANCE_MILLIS {
        bail!("this machine's clock is {ahead} ms ahead of the database's: synchronize the clocks of both");
    }
    Ok(format!("{ahead} ms ahead of the database's"))
}

/// The end of the certificate that TLS has read.
#[derive(Debug, Default)]
struct End(Mutex<Option<Timestamp>>);

impl Observer for End {
    fn certificate(&self, _: &'static str, end: Option<Timestamp>, _: bool) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = end;
    }
}

async fn certificate(listener: &'static str, files: Option<TlsFiles>) -> anyhow::Result<String> {
    let Some(files) = files else { return Ok("none is set: TLS is off".to_owned()) };
    let (end, clock) = (Arc::new(End::default()), Arc::new(SystemClock));
    let observer: Arc<dyn Observer> = Arc::<End>::clone(&end);
    Tls::start(listener, files, clock, observer, watch::channel(0).1).await?;
    match *end.0.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(end) if end <= SystemClock.now() => bail!("it ended at {end}: renew it"),
        Some(end) => Ok(format!("it ends at {end}")),
        None => Ok("it has no known end".to_owned()),
    }
}

/// Looks whether an address can be listened on. A server that runs holds it, so that this is no fault.
fn address(address: SocketAddr) -> anyhow::Result<String> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(format!("{address} is free")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            Ok(format!("{address} is in use: by the running server, or by another program"))
        }
        Err(error) => Err(error).with_context(|| format!("{address} cannot be listened on")),
    }
}
