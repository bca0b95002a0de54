//! The sinks of the configuration: places to which audit events are shipped, each by its own shipper.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use doorward::api::Api;
use doorward::auth::Core;
use doorward::secret_files;
use doorward::sink::{
    BoxSink, EventFormat, FileSink, Receiver, Shippers, Sink, StandardOutput, Tellers, Webhook, WebhookSecret,
    WebhookSecrets,
};
use doorward::store::Outbox;
use doorward::types::{Clock, Name, SystemClock};
use doorward_observe::{Metrics, Notices, watch_sinks};
use serde::Deserialize;
use tokio::task::JoinHandle;

use crate::writable::check_writable;

/// A sink: a table `[[sinks]]` of the configuration.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct SinkConfig {
    /// Its name in the metrics, and in the store, which keeps its progress.
    pub name: Name,
    /// A file that lines are appended to.
    pub file: Option<PathBuf>,
    /// True if lines go to standard output.
    #[serde(default)]
    pub stdout: bool,
    /// A URL that each event is posted to.
    pub webhook: Option<String>,
    /// The file with the secrets that sign the webhook's requests, one secret a line.
    pub secret_file: Option<PathBuf>,
    /// The form of an event: `event` or `ocsf`.
    #[serde(default)]
    pub shape: EventFormat,
    /// The content: audit events, or notices.
    #[serde(default)]
    pub content: SinkContent,
}

/// The content of a sink.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum SinkContent {
    /// Audit events, each of them, in order.
    #[default]
    Events,
    /// Messages for people about what is no change: the misuse of keys, and rotations that are due.
    Notices,
}

/// The place to which a sink ships.
enum Place<'a> {
    File(&'a Path),
    StandardOutput,
    Webhook(Box<Webhook>),
}

impl SinkConfig {
    /// Returns the sink's place, if its settings and secrets can be used. Opens no file of events.
    fn place(&self, clock: &Arc<dyn Clock>) -> anyhow::Result<Place<'_>> {
        match (&self.file, self.stdout, &self.webhook, &self.secret_file) {
            (Some(path), false, None, None) => Ok(Place::File(path)),
            (None, true, None, None) => Ok(Place::StandardOutput),
            (None, false, Some(url), Some(file)) => {
                Ok(Place::Webhook(Box::new(Webhook::new(url, read_secrets(file)?, self.shape, Arc::clone(clock))?)))
            }
            (None, false, Some(_), None) => {
                bail!(
                    "a webhook needs `secret_file`: a file with a line `whsec_…`, such as from \
                     `echo whsec_$(openssl rand -base64 32)`, which its receiver knows too"
                )
            }
            _ => {
                bail!("a sink has one of `file = \"PATH\"`, `stdout = true`, or `webhook = \"URL\"` with `secret_file`")
            }
        }
    }
}

fn read_secrets(path: &Path) -> anyhow::Result<Vec<WebhookSecret>> {
    let text = secret_files::read(path)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| line.parse().with_context(|| format!("in {}", path.display()))).collect()
}

/// The secrets of the running webhooks, by the name of the sink.
#[derive(Debug, Default)]
pub struct Secrets(BTreeMap<Name, WebhookSecrets>);

/// Secrets that were read again and are not in use yet.
pub(crate) struct Renewed(Vec<(WebhookSecrets, Vec<WebhookSecret>)>);

impl Secrets {
    /// Reads the files of the running webhooks again. A sink that was added or removed since the start needs a restart.
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
            // `read` made sure that there is at least one secret.
            let _ = secrets.replace(read);
        }
    }
}

/// Calls `use_it` with each sink.
///
/// # Errors
///
/// Fails if two sinks have one name or one file, and at the first sink that cannot be used, with the reason.
fn each<'a>(
    configs: &'a [SinkConfig],
    mut use_it: impl FnMut(&'a SinkConfig) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (mut names, mut files) = (BTreeSet::new(), BTreeSet::new());
    for config in configs {
        ensure!(names.insert(&config.name), "two sinks are called `{}`", config.name);
        // Each cuts off what another has half written.
        if let Some(file) = &config.file {
            ensure!(files.insert(file), "two sinks write to {}", file.display());
        }
        use_it(config).with_context(|| format!("the sink `{}` cannot be used", config.name))?;
    }
    Ok(())
}

/// The opened sinks with their names.
#[derive(Debug, Default)]
pub struct Opened {
    events: Vec<(Name, BoxSink)>,
    notices: Vec<(Name, Box<dyn Receiver>)>,
}

impl Opened {
    fn add(&mut self, config: &SinkConfig, sink: impl Sink + Receiver + 'static) {
        match config.content {
            SinkContent::Events => self.events.push((config.name.clone(), BoxSink::new(sink))),
            SinkContent::Notices => self.notices.push((config.name.clone(), Box::new(sink))),
        }
    }
}

/// Opens the sinks of the configuration. Returns them with their secrets, which can be replaced.
///
/// # Errors
///
/// Fails if two sinks have one name, and at the first sink that cannot be used, with the reason.
pub fn open(configs: &[SinkConfig], core: &Core) -> anyhow::Result<(Opened, Secrets)> {
    let (mut sinks, mut secrets) = (Opened::default(), Secrets::default());
    each(configs, |config| {
        match config.place(core.clock())? {
            Place::File(path) => {
                let file = FileSink::open(path, config.shape);
                sinks.add(config, file.with_context(|| format!("{} cannot be written", path.display()))?);
            }
            Place::StandardOutput => sinks.add(config, StandardOutput::new(config.shape)),
            Place::Webhook(webhook) => {
                secrets.0.insert(config.name.clone(), webhook.secrets());
                sinks.add(config, *webhook);
            }
        }
        Ok(())
    })?;
    Ok((sinks, secrets))
}

/// Looks at the sinks of the configuration. Makes no file.
///
/// # Errors
///
/// Fails as [`open`] would.
pub fn check(configs: &[SinkConfig]) -> anyhow::Result<String> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    each(configs, |config| match config.place(&clock)? {
        Place::File(path) => check_writable(path),
        Place::StandardOutput | Place::Webhook(_) => Ok(()),
    })?;
    Ok(format!("{} are set", configs.len()))
}

/// The running sinks.
#[derive(Debug)]
pub struct Running {
    shippers: Shippers,
    notices: Arc<Notices>,
    /// The task that tells notices, if somebody receives them.
    telling: Option<JoinHandle<()>>,
}

impl Running {
    /// Stops, once the last notices have arrived and each shipper has noted how far it came.
    pub(crate) async fn stop(&self) {
        // A verification of the logs must not go on in a store that is closed.
        if let Some(telling) = &self.telling {
            telling.abort();
        }
        tokio::join!(self.notices.stop(), self.shippers.stop());
    }
}

/// Starts a shipper for each sink of audit events, and measures how far each lags. Starts the sinks of notices, too, which name
/// this node.
///
/// # Errors
///
/// Fails if there is no randomness.
pub fn start(
    sinks: Opened,
    outbox: Arc<dyn Outbox>,
    api: &Api,
    metrics: &Arc<Metrics>,
    node: Name,
) -> anyhow::Result<Running> {
    let Opened { events, notices } = sinks;
    let names: BTreeSet<Name> = events.iter().map(|(name, _)| name.clone()).collect();
    let shippers = Shippers::start(events, &outbox)?;
    if !names.is_empty() {
        tokio::spawn(watch_sinks(Arc::clone(metrics), names, outbox, Arc::clone(api.verifier().core().clock())));
    }
    let has_receivers = !notices.is_empty();
    let notices = Arc::new(Notices::new(api.clone(), Tellers::start(notices), node));
    let running = Arc::clone(&notices);
    let telling = has_receivers.then(|| tokio::spawn(async move { running.run().await }));
    Ok(Running { shippers, notices, telling })
}
