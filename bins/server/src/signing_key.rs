//! The key that signs checkpoints of audit logs, where there is one.

use anyhow::Context;
use doorward::audit::NoteKey;

use crate::config::Config;
use crate::secret_file;

/// Reads the key, where the configuration names a file.
///
/// # Errors
///
/// If the file cannot be read, is open to others, or holds no key.
pub fn load(config: &Config) -> anyhow::Result<Option<NoteKey>> {
    let Some(path) = &config.signing_key_file else { return Ok(None) };
    secret_file::read(path)?.parse().map(Some).with_context(|| format!("in {}", path.display()))
}
