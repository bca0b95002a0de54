//! A file that gets its name when it is whole.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::failure::CliError;

/// A new file that only its owner can read. Until [`NewFile::finish`], it has another name, which ends with `.partial`.
pub(crate) struct NewFile {
    writer: BufWriter<NamedTempFile>,
    path: PathBuf,
}

impl NewFile {
    /// Begins a file beside its place.
    ///
    /// # Errors
    ///
    /// Fails if there is a file at the place, or if none can be made in its folder.
    pub(crate) fn begin(path: &Path) -> Result<Self, CliError> {
        let failed = |error: &io::Error| CliError::of_file("made", path, error);
        if path.symlink_metadata().is_ok() {
            return Err(failed(&io::ErrorKind::AlreadyExists.into()));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = path.file_name().map(|name| format!("{}.", name.to_string_lossy())).unwrap_or_default();
        let file =
            Builder::new().prefix(&name).suffix(".partial").tempfile_in(folder).map_err(|error| failed(&error))?;
        Ok(Self { writer: BufWriter::new(file), path: path.to_owned() })
    }

    /// Writes what is left to the disk, and gives the file its name.
    ///
    /// # Errors
    ///
    /// Fails if the disk is full, or if another file has the name by now.
    pub(crate) fn finish(self) -> Result<(), CliError> {
        let Self { writer, path } = self;
        let failed = |error: &io::Error| CliError::of_file("written", &path, error);
        let file = writer.into_inner().map_err(|error| failed(error.error()))?;
        file.as_file().sync_all().map_err(|error| failed(&error))?;
        file.persist_noclobber(&path).map_err(|refused| failed(&refused.error))?;
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_name_only_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let names =
            || std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
        let mut file = NewFile::begin(&path).unwrap();
        file.write_all(b"half").unwrap();
        file.flush().unwrap();
        assert!(!path.exists() && names()[0].to_string_lossy().ends_with(".partial"));
        drop(file);
        assert!(names().is_empty());
        let mut file = NewFile::begin(&path).unwrap();
        file.write_all(b"whole").unwrap();
        file.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert_eq!(names().len(), 1);
        assert!(NewFile::begin(&path).is_err());
    }

    #[test]
    fn no_other_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let file = NewFile::begin(&path).unwrap();
        std::fs::write(&path, "of another program").unwrap();
        assert!(file.finish().is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"of another program");
    }
}
