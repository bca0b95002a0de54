//! Files that hold secrets: read into memory that is wiped, and only where no one else can read them.

use std::path::Path;

use anyhow::{Context, bail};
use zeroize::Zeroizing;

/// What the file holds.
///
/// # Errors
///
/// Where it cannot be read, which an [`std::io::Error`] within tells the reason of; or where others can read it too.
pub(crate) fn read(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = text.with_context(|| format!("{} cannot be read", path.display()))?;
    refuse_if_open_to_others(path)?;
    Ok(text)
}

#[cfg(unix)]
fn refuse_if_open_to_others(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!("{} can be read by others (mode {:o}): chmod 600 it", path.display(), mode & 0o777);
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_if_open_to_others(_: &Path) -> anyhow::Result<()> {
    Ok(())
}
