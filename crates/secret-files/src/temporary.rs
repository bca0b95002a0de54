use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};

/// A private file that is written beside the file that it will become. It is deleted when this value is dropped, unless it was
/// renamed.
pub(crate) struct Temporary(PathBuf);

impl Temporary {
    /// Makes the file, with mode 0600. Its random name is free, even if an earlier process crashed and left such a file: in a
    /// container each process has the same id.
    pub(crate) fn beside(path: &Path) -> io::Result<(Self, File)> {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{:016x}", RandomState::new().hash_one(())));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&name)?;
        Ok((Self(name.into()), file))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
