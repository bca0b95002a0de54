//! The reference server: settings, listeners, TLS, limits, signals. It serves [`doorward::api`] and the page, which decide.
//!
//! | module | purpose |
//! |---|---|
//! | [`config`], [`arguments`], [`environment`] | settings: start here |
//! | `site`, `admin` | the services behind [`doorward_listen`]: for everyone, and for operators |
//! | [`sealing_key`], [`signing_key`], `assertions`, `reload` | secrets, read again when they change |
//! | [`logging`], `scraping`, [`first_start`], `hint` | logs, metrics and texts for people |
//! | [`sinks`] | shipping audit events elsewhere |
//! | [`check`] | looking at everything that a start needs |
//! | `identity` | signing in to the page through an identity provider, by the feature `oidc` |

mod admin;
pub mod arguments;
mod assertions;
pub mod check;
pub mod config;
pub mod environment;
pub mod first_start;
mod hint;
#[cfg(feature = "oidc")]
pub mod identity;
mod leaks;
pub mod logging;
mod page;
mod reload;
mod scraping;
pub mod sealing_key;
pub mod signing_key;
pub mod sinks;
mod site;
mod writable;

use std::sync::{Arc, RwLock};
use std::time::Duration;

use anyhow::Context;
use doorward::StoreUrl;
use doorward::api::{Api, Budgets, Holder, Observer, Settings};
use doorward::auth::{Core, Verifier};
use doorward::dashboard::{Dashboard, ScanPlace};
use doorward::link::Linker;
use doorward::origin::CustomSchemes;
use doorward::records::Store;
use doorward::store::{Migration, OpenMode, StoreError};
use doorward::types::{Causes, Clock, Name, NameError, PreciseClock, SystemClock};
use doorward_listen::{Acceptor, Entrance, Hangups, Inherited, Room, Tls, TlsFiles, supervisor};
use doorward_observe::{AccessLog, FilterHandle, Log, Metrics, Watcher};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::arguments::{Arguments, ClockChoice};
use crate::config::Config;
use crate::reload::Reload;
use crate::site::Site;

/// The pause before a database is asked again that does not answer at the start. Each pause is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The name and version of this program, for people who list the nodes.
const PROGRAM: &str = concat!("doorward-server ", env!("CARGO_PKG_VERSION"));

/// The time that blocking threads may take after the last request.
const LINGER: Duration = Duration::from_secs(1);

/// The input of a server.
#[derive(Debug)]
pub struct Start {
    /// The arguments of the program. They are read again at each of `hangups`.
    pub arguments: Arguments,
    /// The configuration by these arguments.
    pub config: Config,
    /// The signals SIGHUP.
    pub hangups: Hangups,
}

/// Serves until a signal stops it.
///
/// # Errors
///
/// Fails if the server cannot start. The error names the store, the address or the file, and the reason.
pub fn run(start: Start, runtime: Runtime, log: Log) -> anyhow::Result<()> {
    let served = runtime.block_on(serve_until_stopped(start, log.filter()));
    // The last spans leave by the runtime.
    drop(log);
    // A sink that hangs holds a thread, which must not hold the program.
    runtime.shutdown_timeout(LINGER);
    served
}

/// Returns the name of this machine.
fn host_name() -> Result<Name, NameError> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    name.parse().or_else(|_| "unknown".parse())
}

/// Opens the store. After a power cut, a database may start later than this server: the server waits for it.
async fn open(url: &StoreUrl, migration: Migration) -> Result<Arc<dyn Store>, StoreError> {
    let mut pause = FIRST_PAUSE;
    loop {
        match (doorward::open(url, OpenMode::Create.with_migration(migration)).await, url) {
            (Err(StoreError::Unavailable(error)), StoreUrl::Postgres(_)) => {
                tracing::warn!(store = %url, error = %Causes(&*error), ?pause, "the store does not answer; asking again");
                supervisor::tell_waiting("waiting for the store");
                tokio::time::sleep(pause).await;
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
            (opened, _) => return opened,
        }
    }
}

/// Starts TLS with these files, if there are any.
async fn start_tls(
    listener: &'static str,
    files: Option<TlsFiles>,
    core: &Core,
    watcher: &Arc<Watcher>,
    asked: &watch::Receiver<u64>,
) -> anyhow::Result<Option<Acceptor>> {
    let Some(files) = files else { return Ok(None) };
    let started =
        Tls::start(listener, files, Arc::clone(core.clock()), Arc::<Watcher>::clone(watcher), asked.clone()).await;
    Ok(Some(started.context("the files of --tls-cert, --tls-key and --admin-client-ca cannot be used")?.acceptor()))
}

async fn serve_until_stopped(start: Start, filter: FilterHandle) -> anyhow::Result<()> {
    let Start { arguments, config, hangups } = start;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let store = open(&config.store, config.migration)
        .await
        .with_context(|| format!("the store {} cannot be used", config.store))?;
    let clock: Arc<dyn Clock> = match config.clock {
        ClockChoice::Coarse => Arc::new(SystemClock),
        ClockChoice::Precise => Arc::new(PreciseClock),
    };
    let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
    let access_log =
        config.access_log.style().map(|style| AccessLog::to_standard_output(style, config.access_log_sample));
    let watcher = Arc::new(Watcher::new(Arc::clone(&metrics)).with_access_log(access_log));
    let core = Core::new(store.clone()).with_clock(clock).with_observer(Arc::<Watcher>::clone(&watcher));
    let core = core.with_description(host_name()?, PROGRAM.parse()?);
    let sealing_key = sealing_key::load(&config, &*store, &core).await?;
    let signing_key = signing_key::load(&config)?;
    let checkpoint_key: page::CheckpointKey = Arc::new(RwLock::new(signing_key::load(&config)?.map(Arc::new)));
    let assertions = assertions::start(
        config.assertion_key_file.clone(),
        &config.assertion_audiences,
        config.public_url.as_deref(),
    )?;
    let (sinks, secrets) = sinks::open(&config.sinks, &core)?;
    let (certificate, asked) = watch::channel(0);
    let tls = start_tls("clients", config.tls.clone(), &core, &watcher, &asked).await?;
    let mut inherited = Inherited::from_environment(&[scraping::LISTENER, admin::LISTENER]);
    let (listener, is_held) = inherited
        .main(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}; choose another with --listen", config.listen))?;
    let admin = match &config.admin {
        Some(admin) => {
            let files = config.tls.clone().map(|files| files.with_client_authorities(admin.client_authorities.clone()));
            let tls = start_tls("operators", files, &core, &watcher, &asked).await?;
            Some(admin::listen(&mut inherited, admin.clone(), tls).await?)
        }
        None => None,
    };
    let metrics_listener = scraping::listen(&mut inherited, config.metrics_listen).await?;
    let verifier = Verifier::start(&core).await.context("the keys cannot be loaded")?;
    // The store decides the prefix of keys.
    let core = verifier.core().clone();
    let address = listener.local_addr()?;
    let public_url = first_start::url(&config, config.public_url.as_deref(), address);
    let (admin_url, admin_address) = match &admin {
        Some(admin) => (first_start::url(&config, admin.config.url.as_deref(), admin.address), admin.address),
        None => (public_url.clone(), address),
    };
    first_start::provision(&config, &verifier, store.clone(), &public_url, &admin_url).await?;
    let base = format!("{public_url}/oauth");
    let linker = Linker::new(verifier.clone(), store.clone(), Arc::clone(&sealing_key), &base)?;

    let custom_schemes = if config.custom_schemes { CustomSchemes::Allowed } else { CustomSchemes::Refused };
    let mcp_hosts = first_start::hosts(&config, [&public_url, &admin_url], [address, admin_address]);
    let dashboard = Dashboard::new(verifier.clone(), store.clone())
        .with_custom_schemes(custom_schemes)
        .with_erasure_delay(config.erase_closed_after)
        .with_strict_transport(admin_url.starts_with("https://"))
        .with_outbox(store.clone())
        .with_connectors(page::connectors(linker.clone()))
        .with_checkpoint_key(page::checkpoint_key(&checkpoint_key));
    let own_url = if let Some(admin) = &config.admin { &admin.url } else { &config.public_url };
    let dashboard = own_url.iter().fold(dashboard, |dashboard, url| dashboard.with_origin(url));
    #[cfg(feature = "oidc")]
    let (dashboard, identity_provider) = match config.identity_provider.clone() {
        Some(provider) => {
            let provider = identity::open(provider, &admin_url, Arc::clone(&sealing_key))?;
            (dashboard.with_identity_provider(provider.clone()), Some(provider))
        }
        None => (dashboard, None),
    };
    #[cfg(feature = "passkeys")]
    let dashboard = page::with_passkeys(dashboard, &admin_url, Arc::clone(&sealing_key));
    let room = Room::new(config.limits, Arc::<Watcher>::clone(&watcher));
    let observer: Arc<dyn Observer> = Arc::<Watcher>::clone(&watcher);
    let budgets = Budgets::new(config.budgets, &observer);
    let scans = budgets.clone();
    let dashboard = dashboard.with_scan_limit(move |operator| {
        scans.scan(Holder::Operator(operator.clone())).map(|share| Box::new(share) as ScanPlace)
    });
    let settings = Settings::default()
        .with_mounts([site::page(dashboard, Arc::clone(&watcher))])
        .with_custom_schemes(custom_schemes)
        .with_erase_after(config.erase_closed_after)
        .with_signing_key(signing_key)
        .with_assertions(assertions)
        .with_strict(config.strict)
        .with_parts(leaks::parts(config.leak_reports))
        .with_leak_policies(config.leak_policies)
        .with_partner_keys(leaks::partner_keys(config.github_leak_reports.clone(), &core)?)
        .with_mcp_hosts(mcp_hosts)
        .with_budgets(budgets)
        .with_observer(observer);
    let api = Api::new(verifier.clone(), sealing_key, linker, settings)?;
    let running = sinks::start(sinks, store.clone(), &api, &metrics, host_name()?)?;
    let reload = Reload {
        arguments,
        filter,
        api: api.clone(),
        checkpoint_key,
        secrets,
        #[cfg(feature = "oidc")]
        identity_provider,
        certificate,
    };
    tokio::spawn(reload.run(hangups));
    tokio::spawn(doorward_observe::remind(verifier.clone()));
    if let Some(linker) = api.linker().cloned() {
        tokio::spawn(async move { linker.keep_up().await });
    }
    if let Some(listener) = metrics_listener {
        tokio::spawn(scraping::serve(listener, Arc::clone(&metrics), api.clone()));
    }
    tracing::info!(%address, store = %config.store, version = env!("CARGO_PKG_VERSION"), "serving");
    supervisor::tell_ready();
    supervisor::start_watchdog();
    let leaving = api.clone();
    let stage = doorward_listen::stages_by_signal(config.shutdown_delay, move || {
        supervisor::tell_stopping();
        leaving.drain();
    })?;
    let entrance = Entrance::new(listener).held_by_supervisor(is_held).with_tls(tls).behind(config.proxies.clone());
    match admin {
        Some(admin) => {
            let (site, operators) = Site::apart(&api, &admin.config);
            // Room of its own: a flood at one listener leaves the other open.
            let beside = Room::new(config.limits, watcher);
            let admin = admin.entrance.behind(config.proxies);
            tokio::join!(
                doorward_listen::serve(entrance, site, room, stage.clone()),
                doorward_listen::serve(admin, operators, beside, stage)
            );
        }
        None => doorward_listen::serve(entrance, Site(api), room, stage).await,
    }
    running.stop().await;
    verifier.stop().await;
    core.store().close().await.context("the store could not be closed properly")?;
    tracing::info!("stopped");
    Ok(())
}
