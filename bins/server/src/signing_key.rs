//! The key that signs checkpoints of audit logs, if there is a key.

use anyhow::Context;
use doorward::audit::NoteKey;
use doorward::secret_files;

use crate::config::Config;

/// Reads the key, if the configuration names a file.
///
/// # Errors
///
/// Fails if the file cannot be read, is open to others, or holds no key.
pub fn load(config: &Config) -> anyhow::Result<Option<NoteKey>> {
    let Some(path) = &config.signing_key_file else { return Ok(None) };
    secret_files::read(path)?.parse().map(Some).with_context(|| format!("in {}", path.display()))
}
