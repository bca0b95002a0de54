//! Files of keys: read into memory that is wiped, and replaced as a whole.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::failure::Failure;

/// A file of keys, which no other command replaces meanwhile.
#[derive(Debug)]
pub(crate) struct KeyFile {
    path: PathBuf,
    /// The folder: its lock is the file's, which is replaced.
    folder: File,
}

impl KeyFile {
    /// Holds the file, which need not exist, until this value is dropped.
    pub(crate) fn hold(path: &Path) -> Result<Self, Failure> {
        // A link stays a link.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let cannot =
            |error: &dyn std::fmt::Display| Failure::failed(format!("{} cannot be opened: {error}", folder.display()));
        let folder = File::open(folder).map_err(|error| cannot(&error))?;
        match folder.try_lock() {
            Ok(()) => Ok(Self { path, folder }),
            Err(std::fs::TryLockError::WouldBlock) => Err(Failure::conflict(format!(
                "another command is changing a key file beside {}: wait for its end",
                path.display()
            ))),
            Err(std::fs::TryLockError::Error(error)) => Err(cannot(&error)),
        }
    }

    /// Returns the text; none if there is no file.
    pub(crate) fn read(&self) -> Result<Option<Zeroizing<String>>, Failure> {
        match std::fs::read_to_string(&self.path) {
            Ok(text) => Ok(Some(Zeroizing::new(text))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.cannot("read", &error)),
        }
    }

    /// Writes a file beside the old one, and puts it in its place. Mode and owner stay; a first file is its owner's alone.
    pub(crate) fn replace(&self, text: &[u8]) -> Result<(), Failure> {
        let mut temporary = self.path.as_os_str().to_owned();
        temporary.push(format!(".{}", std::process::id()));
        let written = (|| {
            let old = match std::fs::metadata(&self.path) {
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                found => Some(found?),
            };
            let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
            out.write_all(text)?;
            if let Some(old) = old {
                let made = out.metadata()?;
                if (made.uid(), made.gid()) != (old.uid(), old.gid()) {
                    fchown(&out, Some(old.uid()), Some(old.gid()))?;
                }
                out.set_permissions(Permissions::from_mode(old.permissions().mode() & 0o777))?;
            }
            out.sync_all()?;
            std::fs::rename(&temporary, &self.path)
        })();
        if written.is_err() {
            let _ = std::fs::remove_file(&temporary);
        }
        written.and_then(|()| self.folder.sync_all()).map_err(|error| self.cannot("written", &error))
    }

    pub(crate) fn cannot(&self, what: &str, error: &dyn std::fmt::Display) -> Failure {
        Failure::failed(format!("{} cannot be {what}: {error}", self.path.display()))
    }
}
