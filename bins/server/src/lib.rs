//! The reference server: settings, listeners, TLS, limits, signals. It serves [`doorward::api`] and the page, which decide.
//!
//! | module | what it is for |
//! |---|---|
//! | [`config`], [`arguments`], [`environment`] | settings: start here |
//! | `site` | what [`doorward_listen`] serves connections with |
//! | [`sealing_key`], [`signing_key`], `assertions`, `secret_file`, [`reload`] | secrets, read again when they change |
//! | [`logging`], `scraping`, [`reminder`], [`first_start`] | what people see of it, by [`doorward_observe`] |
//! | [`sinks`] | shipping audit events elsewhere |
//! | `identity` | signing in to the page through an identity provider, by the feature `oidc` |

pub mod arguments;
mod assertions;
pub mod config;
pub mod environment;
pub mod first_start;
#[cfg(feature = "oidc")]
pub mod identity;
pub mod logging;
pub mod reload;
pub mod reminder;
mod scraping;
pub mod sealing_key;
mod secret_file;
pub mod signing_key;
pub mod sinks;
mod site;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use doorward::api::{Api, Budgets, Holder, Observer, Part, Settings};
use doorward::auth::{Core, Verifier};
use doorward::dashboard::{Dashboard, ScanPlace};
use doorward::link::Linker;
use doorward::origin::CustomSchemes;
use doorward::store::OpenMode;
use doorward::types::{Clock, PreciseClock, SystemClock};
use doorward_listen::{Room, Tls};
use doorward_observe::{Metrics, Watcher};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::arguments::{Arguments, HotClock};
use crate::config::Config;
use crate::logging::{Filter, Logging};
use crate::reload::{Hangups, Reload};
use crate::sinks::Shipping;
use crate::site::Site;

/// How long threads that block may go on after the last request.
const LINGER: Duration = Duration::from_secs(1);

/// All that a server runs with.
#[derive(Debug)]
pub struct Start {
    /// The arguments of the program, to be read again at each of `hangups`.
    pub arguments: Arguments,
    /// The configuration that they make.
    pub config: Config,
    /// The signals that ask for that.
    pub hangups: Hangups,
}

/// Serves until it is told to stop.
///
/// # Errors
///
/// If it cannot start: the store, the addresses, the sealing key. The error says which, and why.
pub fn run(start: Start, runtime: Runtime, logging: Logging) -> anyhow::Result<()> {
    let served = runtime.block_on(serve_until_stopped(start, logging.filter()));
    // The last spans leave by the runtime.
    drop(logging);
    // A sink that hangs holds a thread, which must not hold the program.
    runtime.shutdown_timeout(LINGER);
    served
}

async fn serve_until_stopped(start: Start, filter: Filter) -> anyhow::Result<()> {
    let Start { arguments, config, hangups } = start;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let store = doorward::open(&config.store, OpenMode::Create)
        .await
        .with_context(|| format!("the store {} cannot be used", config.store))?;
    let clock: Arc<dyn Clock> = match config.clock {
        HotClock::Coarse => Arc::new(SystemClock),
        HotClock::Precise => Arc::new(PreciseClock),
    };
    let core = Core::new(store.clone()).with_clock(clock);
    let sealing_key = sealing_key::load(&config, &*store, &core).await?;
    let signing_key = signing_key::load(&config)?;
    let assertions = assertions::start(
        config.assertion_key_file.clone(),
        &config.assertion_audiences,
        config.public_url.as_deref(),
    )?;
    let (sinks, secrets) = sinks::open(&config.sinks, &core)?;
    let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
    let watcher = Arc::new(Watcher::new(Arc::clone(&metrics)));
    let (certificate, asked) = watch::channel(0);
    let tls = match config.tls.clone() {
        Some(files) => {
            let started = Tls::start(files, Arc::clone(core.clock()), watcher.clone(), asked).await;
            Some(started.context("the files of --tls-cert and --tls-key cannot be used")?.acceptor())
        }
        None => None,
    };
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}; choose another with --listen", config.listen))?;
    let metrics_listener = scraping::listen(config.metrics_listen).await?;
    let verifier = Verifier::start(&core).await.context("the keys cannot be loaded")?;
    // The store decides with which prefix keys begin.
    let core = verifier.core().clone();
    let address = listener.local_addr()?;
    first_start::provision(&config, &verifier, address).await?;
    let base = format!("{}/oauth", first_start::public_url(&config, address));
    let linker = Linker::new(verifier.clone(), store.clone(), Arc::clone(&sealing_key), &base)?;

    let custom_schemes = if config.custom_schemes { CustomSchemes::Allowed } else { CustomSchemes::Refused };
    let mcp_hosts = first_start::hosts(&config, address);
    let public_url = first_start::public_url(&config, address);
    let dashboard = Dashboard::new(verifier.clone())
        .with_custom_schemes(custom_schemes)
        .with_strict_transport(public_url.starts_with("https://"));
    #[cfg(feature = "oidc")]
    let (dashboard, identity_provider) = match config.identity_provider.clone() {
        Some(provider) => {
            let provider = identity::open(provider, &public_url, Arc::clone(&sealing_key))?;
            (dashboard.with_identity_provider(provider.clone()), Some(provider))
        }
        None => (dashboard, None),
    };
    let room = Room::new(config.limits, Arc::<Watcher>::clone(&watcher));
    let observer: Arc<dyn Observer> = Arc::<Watcher>::clone(&watcher);
    let budgets = Budgets::new(config.budgets, &observer);
    let scans = budgets.clone();
    let dashboard = dashboard.with_scan_limit(move |operator| {
        scans.scan(Holder::Operator(operator.clone())).map(|share| Box::new(share) as ScanPlace)
    });
    let settings = Settings {
        parts: Part::ALL.to_vec(),
        mounts: vec![site::page(dashboard, Arc::clone(&watcher))],
        custom_schemes,
        signing_key,
        assertions,
        strict: config.strict,
        mcp_hosts,
        budgets,
        observer,
    };
    let api = Api::new(verifier.clone(), sealing_key, linker, settings)?;
    let shipping = Shipping::start(sinks, store.clone(), &core, &metrics)?;
    let reload = Reload {
        arguments,
        filter,
        api: api.clone(),
        secrets,
        #[cfg(feature = "oidc")]
        identity_provider,
        certificate,
    };
    tokio::spawn(reload.run(hangups));
    tokio::spawn(reminder::remind(verifier.clone()));
    let linker = api.linker().clone();
    tokio::spawn(async move { linker.keep_up().await });
    if let Some(listener) = metrics_listener {
        tokio::spawn(scraping::serve(listener, Arc::clone(&metrics), api.clone()));
    }
    tracing::info!(%address, store = %config.store, version = env!("CARGO_PKG_VERSION"), "serving");
    let leaving = api.clone();
    let stage = doorward_listen::stages_by_signal(config.shutdown_delay, move || leaving.drain())?;
    doorward_listen::serve(listener, tls, Site(api), room, stage).await;
    shipping.stop().await;
    verifier.stop().await;
    core.store().close().await.context("the store could not be closed in order")?;
    tracing::info!("stopped");
    Ok(())
}
