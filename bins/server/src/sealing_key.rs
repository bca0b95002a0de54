//! The key that seals credentials at rest: from the environment, from a file, or made on first start.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use doorward::auth::Core;
use doorward::store::{SealingKey, StoreUrl};
use zeroize::Zeroizing;

use crate::config::Config;
use crate::{environment, secret_file};

const VARIABLE: &str = "DOORWARD_SEALING_KEY";

/// Finds the key, or makes one beside an embedded store.
///
/// # Errors
///
/// Where it is not 32 bytes in base64, where its file is open to others, or where it can neither be read nor made.
pub fn load(config: &Config, core: &Core) -> anyhow::Result<SealingKey> {
    if let Some(text) = environment::variable(VARIABLE) {
        let text = Zeroizing::new(text.into_string().unwrap_or_default());
        return decode(&text).with_context(|| format!("in {VARIABLE}"));
    }
    let brought = config.sealing_key_file.clone();
    let brought = brought.or_else(|| secret_file::credential(environment::SEALING_KEY_CREDENTIAL));
    let path = match (brought, &config.store) {
        (Some(path), _) => path,
        (None, StoreUrl::Sqlite(path)) => beside(path),
        (None, other) => bail!(
            "{other} is no file to keep the sealing key beside: make one for all nodes with `openssl rand -base64 32`, \
             and name it with --sealing-key-file or {VARIABLE}"
        ),
    };
    // Of several nodes, each would make its own, and none could open what another has sealed.
    let may_make = matches!(config.store, StoreUrl::Sqlite(_));
    let is_missing = |error: &anyhow::Error| {
        error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::NotFound)
    };
    match secret_file::read(&path) {
        Ok(text) => decode(&text).with_context(|| format!("in {}", path.display())),
        Err(error) if may_make && is_missing(&error) => make(&path, core),
        Err(error) => Err(error),
    }
}

fn beside(store: &Path) -> PathBuf {
    let mut path = store.as_os_str().to_owned();
    path.push(".sealing-key");
    path.into()
}

fn decode(text: &Zeroizing<String>) -> anyhow::Result<SealingKey> {
    let mut bytes = Zeroizing::new([0_u8; SealingKey::LENGTH]);
    match BASE64_STANDARD.decode_slice(text.trim(), bytes.as_mut()) {
        Ok(SealingKey::LENGTH) => Ok(SealingKey::new(&bytes)),
        _ => bail!("a sealing key is {} bytes in base64", SealingKey::LENGTH),
    }
}

/// Makes the file with mode 0600 and not at all where another process was quicker, whose key is then taken.
fn make(path: &Path, core: &Core) -> anyhow::Result<SealingKey> {
    let mut bytes = Zeroizing::new([0_u8; SealingKey::LENGTH]);
    core.random().fill(bytes.as_mut())?;
    let text = Zeroizing::new(format!("{}\n", BASE64_STANDARD.encode(bytes.as_slice())));

    let temporary = path.with_extension(format!("sealing-key.{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let write = || {
        let mut file = options.open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        // A link fails where the name is taken: a key that is in use is never replaced.
        let linked = std::fs::hard_link(&temporary, path);
        std::fs::remove_file(&temporary)?;
        linked
    };
    match write() {
        Ok(()) => {
            tracing::info!(file = %path.display(), "made the key that seals credentials at rest; back it up apart from the store");
            Ok(SealingKey::new(&bytes))
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let text = Zeroizing::new(std::fs::read_to_string(path)?);
            decode(&text).with_context(|| format!("in {}", path.display()))
        }
        Err(error) => Err(error).with_context(|| format!("the sealing key {} cannot be made", path.display())),
    }
}
