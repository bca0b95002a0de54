//! The key that signs checkpoints of audit logs, where there is one.

use anyhow::Context;
use doorward::audit::NoteKey;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::sealing_key::refuse_if_open_to_others;

/// Reads the key, where the configuration names a file.
///
/// # Errors
///
/// Where the file cannot be read, is open to others, or holds no key.
pub fn load(config: &Config) -> anyhow::Result<Option<NoteKey>> {
    let Some(path) = &config.signing_key_file else { return Ok(None) };
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = text.with_context(|| format!("{} cannot be read", path.display()))?;
    refuse_if_open_to_others(path)?;
    text.parse().map(Some).with_context(|| format!("in {}", path.display()))
}
