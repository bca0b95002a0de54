//! The files of a store, and the proof that this process still has the right files open.
//!
//! A node that reads a file which no other program sees would accept a revoked secret without end. So each transaction
//! checks in the file system that its open files are at the store's paths.

use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use doorward_store::{Doubt, OpenMode, StoreError};

use crate::error::{of_files, unavailable};
use crate::settings::Settings;

/// The paths of a store.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The caller's path, made absolute.
    given: PathBuf,
    /// The path without symbolic links. SQLite opens the file by this path.
    pub(crate) real: PathBuf,
}

impl Place {
    /// Finds the file at this path. If the file is missing and `mode` allows it, creates an empty file.
    pub(crate) fn find(path: &Path, mode: OpenMode) -> Result<Self, StoreError> {
        let shown = path.display();
        let given = std::path::absolute(path).map_err(|error| of_files(&error, format!("the path {shown}")))?;
        // A log is created after its store and removed before it, so check for the log first.
        let has_log = has_log(&given);
        match Self::existing(&given)? {
            Some(place) => Ok(place),
            None if mode == OpenMode::Create && has_log => Err(unavailable(format!(
                "{shown} is missing, but its write-ahead log may hold changes: put the store's file back, or \
                 remove the log"
            ))),
            None if mode == OpenMode::Create => {
                create_private(&given)?;
                Self::existing(&given)?.ok_or(StoreError::NotFound)
            }
            None => Err(StoreError::NotFound),
        }
    }

    /// Returns the place of the file at this absolute path, or `None` if the file is missing.
    pub(crate) fn existing(given: &Path) -> Result<Option<Self>, StoreError> {
        match std::fs::canonicalize(given) {
            Ok(real) => Ok(Some(Self { given: given.to_owned(), real })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(of_files(&error, format!("the store's path {}", given.display()))),
        }
    }

    /// Returns the path of a file beside the store's, such as `-wal`.
    pub(crate) fn beside(&self, suffix: &str) -> PathBuf {
        with_suffix(&self.real, suffix)
    }

    /// Returns the file's identity if the file may be opened as a store: it has one name, and the files that SQLite
    /// keeps beside it are in the same folder.
    pub(crate) fn inspect(&self) -> Result<FileId, StoreError> {
        let shown = self.real.display();
        let found = std::fs::metadata(&self.real).map_err(|error| of_files(&error, format!("the store {shown}")))?;
        if !found.is_file() {
            return Err(unavailable(format!("{shown} is not a file: name the store's file")));
        }
        let id = FileId::of(&found);
        if id.has_other_names() {
            return Err(unavailable(format!(
                "{shown} has more than one name (hard links), and each name would have its own write-ahead log: copy the \
                 file, remove the other names, and try again"
            )));
        }
        if is_mounted_by_itself(&self.real) {
            return Err(unavailable(format!(
                "{shown} is mounted without the files beside it: mount the folder that contains it"
            )));
        }
        check_access(&self.real)?;
        if is_open_to_others(&found) {
            tracing::warn!(path = %shown, "others may read the store's file: set its mode to 0600");
        }
        Ok(id)
    }
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Returns true if the file at this path has a write-ahead log beside it.
pub(crate) fn has_log(path: &Path) -> bool {
    std::fs::metadata(with_suffix(path, "-wal")).is_ok_and(|log| log.len() > 0)
}

/// Creates an empty file that only this user can read. SQLite gives the files beside it the same mode. Returns false if
/// the file exists. An existing file is not opened: closing it would drop the locks that this process holds on it.
pub(crate) fn create_private(path: &Path) -> Result<bool, StoreError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.exists() => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(unavailable(format!(
            "{} is a symbolic link to a file that does not exist: make the link point to the store's file",
            path.display()
        ))),
        made => made.map(|_| true).map_err(|error| of_files(&error, format!("cannot create {}", path.display()))),
    }
}

/// The identity of a file in the file system.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
    links: u64,
}

impl FileId {
    #[cfg(unix)]
    fn of(file: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { device: file.dev(), inode: file.ino(), links: file.nlink() }
    }

    /// On other systems, an open file cannot be moved or removed.
    #[cfg(not(unix))]
    fn of(_: &Metadata) -> Self {
        Self { device: 0, inode: 0, links: 1 }
    }

    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|found| Self::of(&found))
    }

    const fn has_other_names(&self) -> bool {
        self.links != 1
    }
}

/// The files of an open store.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) place: Place,
    pub(crate) settings: Settings,
    /// Each path of the store, and the file that this process opened there.
    open: Vec<(PathBuf, FileId)>,
}

impl Files {
    /// Records the open files, after the first read. `before` is the identity of the store's file before it was opened.
    pub(crate) fn opened(place: Place, before: FileId, settings: Settings) -> Result<Self, StoreError> {
        let mut open = vec![(place.real.clone(), before)];
        if place.given != place.real {
            open.push((place.given.clone(), before));
        }
        for beside in ["-wal", "-shm"].map(|suffix| place.beside(suffix)) {
            let id = FileId::at(&beside).map_err(|error| of_files(&error, beside.display()))?;
            open.push((beside, id));
        }
        let files = Self { place, settings, open };
        files.prove()?;
        Ok(files)
    }

    /// Fails if a path of the store no longer names the file that this process has open, or if the file has another
    /// name. Every transaction calls this, and every commit calls it again.
    pub(crate) fn prove(&self) -> Result<(), Doubt> {
        self.open.iter().try_for_each(|(path, opened)| {
            let found = FileId::at(path);
            if found.as_ref().is_ok_and(|found| found == opened) { Ok(()) } else { Err(moved(path, found)) }
        })
    }
}

#[cold]
fn moved(path: &Path, found: io::Result<FileId>) -> Doubt {
    let shown = path.display();
    let what = match found {
        Ok(found) if found.has_other_names() => format!("{shown} has {} names (hard links)", found.links),
        Ok(_) => format!("{shown} is another file than the one that this program has open"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => format!("{shown} was moved or removed"),
        Err(error) => format!("cannot look at {shown}: {error}"),
    };
    Doubt::Moved(format!(
        "{what}, so other programs no longer see the same store: stop all programs that use this store, put \
         its file back under one name, and start them again"
    ))
}

/// Fails if this user may not write the store's file or create files beside it.
#[cfg(unix)]
fn check_access(path: &Path) -> Result<(), StoreError> {
    use rustix::fs::{Access, access};
    let folder = path.parent().unwrap_or(path);
    for (path, wanted) in [(path, Access::WRITE_OK), (folder, Access::WRITE_OK | Access::EXEC_OK)] {
        access(path, wanted)
            .map_err(|errno| of_files(&errno.into(), format!("{} cannot be written", path.display())))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_access(_: &Path) -> Result<(), StoreError> {
    Ok(())
}

#[cfg(unix)]
fn is_open_to_others(file: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::mode(file) & 0o077 != 0
}

#[cfg(not(unix))]
const fn is_open_to_others(_: &Metadata) -> bool {
    false
}

/// Returns true if the file itself is a mount point, like a single file that is mounted into a container. Kernels
/// before 5.8 do not report it.
#[cfg(target_os = "linux")]
fn is_mounted_by_itself(path: &Path) -> bool {
    use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
    let mount = |path: &Path| {
        let found = statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID).ok()?;
        (found.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(found.stx_mnt_id)
    };
    let folder = path.parent().and_then(mount);
    folder.is_some() && folder != mount(path)
}

#[cfg(not(target_os = "linux"))]
const fn is_mounted_by_itself(_: &Path) -> bool {
    false
}
