//! Shipping audit events elsewhere: the sinks of the configuration, each with a shipper of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use doorward::auth::Core;
use doorward::sink::{FileSink, Shape, Shipper, Sink, StandardOutput, Webhook, WebhookSecret, WebhookSecrets};
use doorward::store::Outbox;
use doorward::types::{Clock, Name, SessionId};
use doorward_observe::Metrics;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::secret_file;

/// How often the metrics learn how far each sink lags.
const LOOK: Duration = Duration::from_secs(5);

/// How long shippers may take to say how far they came, when the server stops.
const FAREWELL: Duration = Duration::from_secs(3);

/// A sink, as a table `[[sinks]]` of the configuration has it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct SinkConfig {
    /// What it is called, in the metrics and in the store: there it says how far it has come.
    pub name: Name,
    /// A file that lines are appended to.
    pub file: Option<PathBuf>,
    /// Whether lines go to standard output.
    #[serde(default)]
    pub stdout: bool,
    /// A URL that each event is posted to.
    pub webhook: Option<String>,
    /// The file with the secrets that sign for the webhook, one a line.
    pub secret_file: Option<PathBuf>,
    /// What an event looks like: `event` or `ocsf`.
    #[serde(default)]
    pub shape: Shape,
}

impl SinkConfig {
    fn open(&self, core: &Core, secrets: &mut Secrets) -> anyhow::Result<Box<dyn Sink>> {
        match (&self.file, self.stdout, &self.webhook, &self.secret_file) {
            (Some(path), false, None, None) => {
                let file = FileSink::open(path, self.shape);
                Ok(Box::new(file.with_context(|| format!("{} cannot be written", path.display()))?))
            }
            (None, true, None, None) => Ok(Box::new(StandardOutput::new(self.shape))),
            (None, false, Some(url), Some(file)) => {
                let clock = Arc::clone(core.clock());
                let webhook = Webhook::new(url, read_secrets(file)?, self.shape, clock)?;
                secrets.0.insert(self.name.clone(), webhook.secrets());
                Ok(Box::new(webhook))
            }
            (None, false, Some(_), None) => {
                bail!(
                    "a webhook wants `secret_file`: a line `whsec_…`, such as of \
                     `echo whsec_$(openssl rand -base64 32)`, that its receiver knows too"
                )
            }
            _ => {
                bail!("a sink has one of `file = \"PATH\"`, `stdout = true`, or `webhook = \"URL\"` with `secret_file`")
            }
        }
    }
}

fn read_secrets(path: &Path) -> anyhow::Result<Vec<WebhookSecret>> {
    let text = secret_file::read(path)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| line.parse().with_context(|| format!("in {}", path.display()))).collect()
}

/// The secrets of the webhooks that there are, by the name of the sink.
#[derive(Debug, Default)]
pub struct Secrets(BTreeMap<Name, WebhookSecrets>);

/// Secrets that were read again, and are not in use yet.
pub(crate) struct Renewed(Vec<(WebhookSecrets, Vec<WebhookSecret>)>);

impl Secrets {
    /// Reads the files of the webhooks that there are again. Sinks that came or went since the start are left to a restart.
    pub(crate) fn read(&self, configs: &[SinkConfig]) -> anyhow::Result<Renewed> {
        let renewed = configs.iter().filter_map(|config| {
            let (secrets, file) = (self.0.get(&config.name)?, config.secret_file.as_ref()?);
            let read = read_secrets(file).and_then(|read| {
                ensure!(!read.is_empty(), "{} holds no secret", file.display());
                Ok((secrets.clone(), read))
            });
            Some(read.with_context(|| format!("the sink `{}`", config.name)))
        });
        renewed.collect::<anyhow::Result<_>>().map(Renewed)
    }
}

impl Renewed {
    pub(crate) fn take_effect(self) {
        for (secrets, read) in self.0 {
            // There is one at least, which was looked at.
            let _ = secrets.replace(read);
        }
    }
}

/// Sinks that are open, by their names.
pub type Named = Vec<(Name, Box<dyn Sink>)>;

/// The sinks of the configuration, opened; and their secrets, to be replaced.
///
/// # Errors
///
/// The first that cannot be used, and why.
pub fn open(configs: &[SinkConfig], core: &Core) -> anyhow::Result<(Named, Secrets)> {
    let mut names = BTreeSet::new();
    let (mut sinks, mut secrets) = (Vec::new(), Secrets::default());
    for config in configs {
        ensure!(names.insert(&config.name), "two sinks are called `{}`", config.name);
        let sink =
            config.open(core, &mut secrets).with_context(|| format!("the sink `{}` cannot be used", config.name))?;
        sinks.push((config.name.clone(), sink));
    }
    Ok((sinks, secrets))
}

/// The shippers at work.
#[derive(Debug)]
pub struct Shipping {
    stop: watch::Sender<bool>,
    shippers: JoinSet<()>,
}

impl Shipping {
    /// Starts a shipper for each sink, and the count of how far it lags.
    ///
    /// # Errors
    ///
    /// Where there is no randomness.
    pub fn start(sinks: Named, outbox: Arc<dyn Outbox>, core: &Core, metrics: &Arc<Metrics>) -> anyhow::Result<Self> {
        let (stop, _) = watch::channel(false);
        let mut shippers = JoinSet::new();
        if !sinks.is_empty() {
            let names = sinks.iter().map(|(name, _)| name.clone()).collect();
            tokio::spawn(watch_lag(names, Arc::clone(&outbox), Arc::clone(core.clock()), Arc::clone(metrics)));
        }
        for (name, sink) in sinks {
            let holder = SessionId::new(core.id_seed()?);
            shippers.spawn(Shipper::new(Arc::clone(&outbox), name, holder, sink).run(stop.subscribe()));
        }
        Ok(Self { stop, shippers })
    }

    /// Lets each say how far it came.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let all = async { while self.shippers.join_next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, all).await.is_err() {
            tracing::warn!("some sinks could not say how far they came: what they shipped last comes again");
        }
    }
}

async fn watch_lag(names: BTreeSet<Name>, outbox: Arc<dyn Outbox>, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) {
    loop {
        if let Ok(sinks) = outbox.sinks().await {
            let now = clock.now();
            for sink in sinks.iter().filter(|sink| names.contains(&sink.name)) {
                let age = sink.behind_since.map_or(0, |since| (now.as_millis() - since.as_millis()).max(0) / 1_000);
                metrics.sink_lags(&sink.name, sink.behind, age);
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}
