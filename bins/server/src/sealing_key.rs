//! The place of the keys that seal credentials at rest.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use doorward::StoreUrl;
use doorward::auth::Core;
use doorward::records::{Sealing, SealingKeys};
use doorward::secret_files::{SealingKeySource, SealingSourceError, credential};

use crate::config::Config;
use crate::environment;

const VARIABLE: &str = "DOORWARD_SEALING_KEY";
const FILE_VARIABLE: &str = "DOORWARD_SEALING_KEY_FILE";

/// The settings that name the keys, in the order of precedence.
#[derive(Debug, Default)]
struct Named {
    flag: Option<PathBuf>,
    has_variable: bool,
    file_variable: Option<PathBuf>,
    configured: Option<PathBuf>,
}

impl Named {
    /// Flags override the environment, which overrides the configuration file, which overrides the file beside the store.
    fn source(self, store: &StoreUrl) -> Option<SealingKeySource> {
        let source = match (self.flag, self.has_variable, self.file_variable.or(self.configured), store) {
            (Some(path), ..) | (None, false, Some(path), _) => SealingKeySource::file(path),
            (None, true, ..) => SealingKeySource::variable(VARIABLE),
            (None, false, None, StoreUrl::Sqlite { path, .. }) => SealingKeySource::beside(path),
            (None, false, None, _) => return None,
        };
        Some(if matches!(store, StoreUrl::Sqlite { .. }) { source.made_if_missing() } else { source })
    }
}

/// Finds the keys and checks them against the store. Makes a key beside an embedded store if nothing is sealed yet.
///
/// # Errors
///
/// Fails if the keys cannot be read, if the file is open to others, or if the store's values are sealed with a key that is not
/// among them.
pub async fn load(config: &Config, store: &dyn Sealing, core: &Core) -> anyhow::Result<Arc<SealingKeys>> {
    source(config)?.load(store, core).await.map_err(explained)
}

/// Does what [`load`] does, and makes nothing. Says what it found.
///
/// # Errors
///
/// Fails if [`load`] would.
pub async fn check(config: &Config, store: &dyn Sealing, core: &Core) -> anyhow::Result<String> {
    let is_there = source(config)?.check(store, core).await.map_err(explained)?;
    Ok(if is_there { "it is the store's" } else { "there is none yet: the first start makes it" }.to_owned())
}

/// Does what [`check`] does for a store that does not exist yet.
///
/// # Errors
///
/// Fails if no key is named, or if the named keys cannot be read.
pub fn check_without_store(config: &Config) -> anyhow::Result<String> {
    let is_there = source(config)?.check_without_store()?;
    Ok(if is_there { "the file can be used" } else { "there is none yet: the first start makes it" }.to_owned())
}

fn explained(error: SealingSourceError) -> anyhow::Error {
    match error {
        lost if lost.needs_another_key() => anyhow!(
            "{lost}, and name it with --sealing-key-file or {VARIABLE}. If the key is lost for good, \
             `doorward sealing-key rotate --accept-loss FILE` goes on without the values"
        ),
        error => error.into(),
    }
}

fn source(config: &Config) -> anyhow::Result<SealingKeySource> {
    let credential = || credential(environment::SEALING_KEY_CREDENTIAL);
    let named = Named {
        flag: config.sealing_key_flag.clone(),
        has_variable: environment::variable(VARIABLE).is_some(),
        file_variable: environment::variable(FILE_VARIABLE).map(PathBuf::from).or_else(credential),
        configured: config.sealing_key_file.clone(),
    };
    let Some(source) = named.source(&config.store) else {
        bail!(
            "{} is no file to keep the sealing key beside: make one for all nodes with `openssl rand -base64 32`, \
             and name it with --sealing-key-file or {VARIABLE}",
            config.store
        )
    };
    Ok(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_override_the_environment_which_overrides_the_file() {
        let path = |name: &str| Some(PathBuf::from(name));
        let named =
            |flag, has_variable, file_variable, configured| Named { flag, has_variable, file_variable, configured };
        let (sqlite, postgres): (StoreUrl, StoreUrl) =
            ("sqlite:a.db".parse().unwrap(), "postgres://localhost/a".parse().unwrap());
        let file = |name: &str| Some(SealingKeySource::file(name));
        let cases = [
            (named(path("flag"), true, path("file variable"), path("configured")), file("flag")),
            (
                named(None, true, path("file variable"), path("configured")),
                Some(SealingKeySource::variable("DOORWARD_SEALING_KEY")),
            ),
            (named(None, false, path("file variable"), path("configured")), file("file variable")),
            (named(None, false, None, path("configured")), file("configured")),
        ];
        for (named, source) in cases {
            assert_eq!(named.source(&postgres), source);
        }
        // Only one node has an embedded store: it may make its own key.
        let beside = SealingKeySource::file("a.db.sealing-key").made_if_missing();
        assert_eq!(Named::default().source(&sqlite), Some(beside));
        assert_eq!(Named::default().source(&postgres), None);
    }
}
