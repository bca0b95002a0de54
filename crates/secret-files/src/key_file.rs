use std::fs::{File, Permissions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::secret_file::{self, SecretFileError};
use crate::temporary::Temporary;

/// The reason why a file of keys cannot be read or replaced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// Another command holds a file in the same folder.
    #[error("another command is changing a key file beside {}: wait for its end", path.display())]
    Held {
        /// The file.
        path: PathBuf,
    },
    /// The operating system fails.
    #[error("{} cannot be {what}", path.display())]
    Io {
        /// The file, or its folder.
        path: PathBuf,
        /// The attempt: opened or written.
        what: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file cannot be read, or others can read it too.
    #[error(transparent)]
    Secret(#[from] SecretFileError),
}

/// A file of keys, which no other command replaces meanwhile. It is replaced as a whole: a reader sees the old text or the new one.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
    /// The folder, which is locked in place of the file: a lock on the file would go with the file that is replaced.
    folder: File,
}

impl KeyFile {
    /// Holds the file, which need not exist, until this value is dropped.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::Held`] if another command holds a file of this folder, and [`KeyFileError::Io`].
    pub fn hold(path: &Path) -> Result<Self, KeyFileError> {
        // A link stays a link.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let parent = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let unopened = |source| KeyFileError::Io { path: parent.to_owned(), what: "opened", source };
        let folder = File::open(parent).map_err(unopened)?;
        match folder.try_lock() {
            Ok(()) => Ok(Self { path, folder }),
            Err(TryLockError::WouldBlock) => Err(KeyFileError::Held { path }),
            Err(TryLockError::Error(source)) => Err(unopened(source)),
        }
    }

    /// Returns the text. Returns none if there is no file.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::Secret`], also if others can read the file.
    pub fn read(&self) -> Result<Option<Zeroizing<String>>, KeyFileError> {
        match secret_file::text_of(&self.path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a file beside the old one, and puts it in its place. Mode and owner stay; a first file has mode 0600.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::Io`].
    pub fn replace(&self, text: &[u8]) -> Result<(), KeyFileError> {
        let write = || {
            let old = match std::fs::metadata(&self.path) {
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                found => Some(found?),
            };
            let (temporary, mut out) = Temporary::beside(&self.path)?;
            out.write_all(text)?;
            if let Some(old) = old {
                let made = out.metadata()?;
                if (made.uid(), made.gid()) != (old.uid(), old.gid()) {
                    fchown(&out, Some(old.uid()), Some(old.gid()))?;
                }
                out.set_permissions(Permissions::from_mode(old.permissions().mode() & 0o777))?;
            }
            out.sync_all()?;
            std::fs::rename(temporary.path(), &self.path)?;
            self.folder.sync_all()
        };
        write().map_err(|source| KeyFileError::Io { path: self.path.clone(), what: "written", source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let found = std::fs::read_dir(folder).unwrap();
        found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_and_a_missing_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let file = KeyFile::hold(&path).unwrap();
        assert!(file.read().unwrap().is_none());
        file.replace(b"one").unwrap();
        assert_eq!(**file.read().unwrap().unwrap(), *"one");
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let refused = file.read().unwrap_err().to_string();
        assert!(refused.contains("can be read by others (mode 644)"), "{refused}");
    }

    #[test]
    fn nothing_is_left_beside_a_file_whether_it_was_replaced_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let file = KeyFile::hold(&path).unwrap();
        file.replace(b"one").unwrap();
        file.replace(b"two").unwrap();
        assert_eq!(names(folder.path()), ["keys"]);
        // A folder is no file that can be replaced.
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        file.replace(b"three").unwrap_err();
        assert_eq!(names(folder.path()), ["keys"]);
    }
}
