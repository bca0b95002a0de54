//! `--check`: looks at everything that a start needs. It serves nothing, and changes nothing.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, anyhow, bail};
use doorward::auth::Core;
use doorward::records::Store;
use doorward::store::{Migration, OpenMode, StoreError};
use doorward::types::{Clock, SystemClock, Timestamp};
use doorward_listen::{Observer, Tls, TlsFiles};
use tokio::sync::watch;

use crate::config::Config;
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
    let store = store(config, &mut report).await;
    if let Some(store) = &store {
        let core = Core::new(store.clone());
        report.tell("sealing key", sealing_key::check(config, &**store, &core).await);
        report.tell("lost changes", lost_changes(&**store).await);
        report.tell("clock", clock(&**store).await);
    }
    let key = |key: Option<_>| if key.is_some() { "the file can be used" } else { "none is set" }.to_owned();
    report.tell("signing key", signing_key::load(config).map(key));
    let public_url = config.public_url.as_deref();
    let asserted = assertions::start(config.assertion_key_file.clone(), &config.assertion_audiences, public_url);
    report.tell(
        "assertion keys",
        asserted.map(|keys| if keys.is_some() { "the file can be used" } else { "none is set" }.to_owned()),
    );
    report.tell("sinks", sinks::check(&config.sinks));
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
    #[expect(clippy::print_stdout, reason = "the result, for the person who asked")]
    fn tell(&mut self, what: &str, found: anyhow::Result<String>) {
        match found {
            Ok(found) => println!("ok      {what}: {found}"),
            Err(error) => {
                self.has_failed = true;
                println!("FAILED  {what}: {error:#}");
            }
        }
    }
}

/// Looks at the store's version, and opens the store as it is.
async fn store(config: &Config, report: &mut Report) -> Option<Arc<dyn Store>> {
    let url = &config.store;
    let state = match doorward::schema(url).await {
        Ok(state) => state,
        Err(StoreError::NotFound) => {
            report.tell("store", Ok(format!("there is no store at {url}: the first start makes it")));
            return None;
        }
        Err(error) => {
            report.tell("store", Err(anyhow::Error::new(error).context(url.to_string())));
            return None;
        }
    };
    let version = match (state.missing(), config.migration) {
        (0, _) => Ok(format!("{url}, of version {}", state.found)),
        (count, Migration::Never) => Err(anyhow!("{url} lacks {count} migrations: run `doorward store migrate`")),
        (count, Migration::IfAlone) => Ok(format!(
            "{url} lacks {count} migrations: the start takes them if no node is registered; otherwise run `doorward store \
             migrate` first"
        )),
        (count, _) => Ok(format!("{url} lacks {count} migrations, which the start takes")),
    };
    report.tell("store", version);
    if state.missing() > 0 {
        return None;
    }
    match doorward::open(url, OpenMode::Existing).await {
        Ok(store) => Some(store),
        Err(error) => {
            report.tell("store", Err(anyhow::Error::new(error).context(url.to_string())));
            None
        }
    }
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
