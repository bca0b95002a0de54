//! The rights to a file that a start would make or write.

use std::path::Path;

use anyhow::{Context, ensure};
use rustix::fs::{Access, access};

/// Looks whether a file can be written, or made if there is none. Makes nothing.
pub(crate) fn check_writable(path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    ensure!(folder.is_dir(), "there is no folder {}", folder.display());
    let (what, rights) = match path.try_exists() {
        Ok(true) => (path, Access::WRITE_OK),
        _ => (folder, Access::WRITE_OK | Access::EXEC_OK),
    };
    access(what, rights).with_context(|| format!("this user cannot write {}", what.display()))
}
