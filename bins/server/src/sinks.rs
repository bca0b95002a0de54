//! The sinks of the configuration: places to which audit events are shipped, each by its own shipper.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use doorward::auth::Core;
use doorward::secret_files;
use doorward::sink::{
    BoxSink, EventFormat, FileSink, Shippers, StandardOutput, Webhook, WebhookSecret, WebhookSecrets,
};
use doorward::store::Outbox;
use doorward::types::Name;
use doorward_observe::{Metrics, watch_sinks};
use serde::Deserialize;

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
}

impl SinkConfig {
    fn open(&self, core: &Core, secrets: &mut Secrets) -> anyhow::Result<BoxSink> {
        match (&self.file, self.stdout, &self.webhook, &self.secret_file) {
            (Some(path), false, None, None) => {
                let file = FileSink::open(path, self.shape);
                Ok(BoxSink::new(file.with_context(|| format!("{} cannot be written", path.display()))?))
            }
            (None, true, None, None) => Ok(BoxSink::new(StandardOutput::new(self.shape))),
            (None, false, Some(url), Some(file)) => {
                let clock = Arc::clone(core.clock());
                let webhook = Webhook::new(url, read_secrets(file)?, self.shape, clock)?;
                secrets.0.insert(self.name.clone(), webhook.secrets());
                Ok(BoxSink::new(webhook))
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

/// The opened sinks with their names.
pub type Named = Vec<(Name, BoxSink)>;

/// Opens the sinks of the configuration. Returns them with their secrets, which can be replaced.
///
/// # Errors
///
/// Fails at the first sink that cannot be used, with the reason.
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

/// Looks at the sinks of the configuration. Makes no file.
///
/// # Errors
///
/// Fails at the first sink that cannot be used, with the reason.
pub fn check(configs: &[SinkConfig]) -> anyhow::Result<String> {
    for config in configs {
        let failed = || format!("the sink `{}` cannot be used", config.name);
        if let Some(path) = &config.secret_file {
            ensure!(!read_secrets(path).with_context(failed)?.is_empty(), "{} holds no secret", path.display());
        }
        if let Some(path) = &config.file {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            ensure!(folder.is_dir(), "{}: there is no folder {}", failed(), folder.display());
        }
    }
    Ok(format!("{} are set", configs.len()))
}

/// Starts a shipper for each sink, and measures how far each lags.
///
/// # Errors
///
/// Fails if there is no randomness.
pub fn ship(sinks: Named, outbox: Arc<dyn Outbox>, core: &Core, metrics: &Arc<Metrics>) -> anyhow::Result<Shippers> {
    let names: BTreeSet<Name> = sinks.iter().map(|(name, _)| name.clone()).collect();
    let shippers = Shippers::start(sinks, &outbox)?;
    if !names.is_empty() {
        tokio::spawn(watch_sinks(Arc::clone(metrics), names, outbox, Arc::clone(core.clock())));
    }
    Ok(shippers)
}
