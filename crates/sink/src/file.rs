use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use doorward_audit::Event;

use crate::{EventFormat, Notice, Receiver, Sink, SinkError, Telling};

/// Appends lines of JSON to a file.
///
/// The file is opened again for each batch, so log rotation needs no signal. A partial line after a crash is cut off, since its
/// event is sent again. A failed attempt, as on a full disk, is cut off completely, so that a retry repeats nothing.
#[derive(Debug)]
pub struct FileSink {
    path: PathBuf,
    shape: EventFormat,
    /// The failed attempt that could not be cut off.
    failed: Option<Attempt>,
}

/// A file, and its length when an attempt began.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Attempt {
    file: Identity,
    begin: u64,
}

/// The device and inode of a file, if the system has them: a rotated file has another identity.
type Identity = Option<(u64, u64)>;

impl FileSink {
    /// Creates a sink that appends to this file. A missing file is created, readable for its owner only.
    ///
    /// # Errors
    ///
    /// Fails if the file can be neither opened nor created.
    pub fn open(path: impl Into<PathBuf>, shape: EventFormat) -> io::Result<Self> {
        let path = path.into();
        open(&path)?;
        Ok(Self { path, shape, failed: None })
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.create(true).open(path)?;
    // The file's name must survive a power loss too.
    #[cfg(unix)]
    File::open(path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(file)
}

/// Appends all lines or no line. Returns the attempt if it failed and could not be undone.
fn append(path: &Path, lines: &str, failed: Option<Attempt>) -> Result<(), (io::Error, Option<Attempt>)> {
    let begin = || {
        let mut file = open(path)?;
        let identity = identity(&file)?;
        match failed {
            Some(attempt) if attempt.file == identity && file.metadata()?.len() > attempt.begin => {
                file.set_len(attempt.begin)?;
            }
            _ => {}
        }
        cut_off_half_a_line(&mut file)?;
        let begin = file.metadata()?.len();
        Ok((file, Attempt { file: identity, begin }))
    };
    let (mut file, attempt) = begin().map_err(|error| (error, failed))?;
    let written = file.write_all(lines.as_bytes()).and_then(|()| file.sync_data());
    written.map_err(|error| (error, file.set_len(attempt.begin).err().map(|_| attempt)))
}

#[cfg(unix)]
fn identity(file: &File) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt;
    let metadata = file.metadata()?;
    Ok(Some((metadata.dev(), metadata.ino())))
}

#[cfg(not(unix))]
fn identity(_: &File) -> io::Result<Identity> {
    Ok(None)
}

fn cut_off_half_a_line(file: &mut File) -> io::Result<()> {
    let end = file.seek(SeekFrom::End(0))?;
    let mut whole = end;
    while whole > 0 {
        let mut chunk = [0; 4096];
        let from = whole.saturating_sub(chunk.len() as u64);
        let chunk = chunk.get_mut(..usize::try_from(whole - from).unwrap_or_default()).unwrap_or_default();
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(chunk)?;
        if let Some(last) = chunk.iter().rposition(|byte| *byte == b'\n') {
            whole = from + last as u64 + 1;
            break;
        }
        whole = from;
    }
    if whole < end { file.set_len(whole) } else { Ok(()) }
}

impl Sink for FileSink {
    fn batch(&self) -> usize {
        1_000
    }

    async fn deliver(&mut self, events: &[Event]) -> Result<(), SinkError> {
        self.append(self.shape.lines(events)).await
    }
}

impl Receiver for FileSink {
    fn tell<'a>(&'a mut self, notice: &'a Notice) -> Telling<'a> {
        Box::pin(self.append(notice.to_json_line(self.shape)))
    }
}

impl FileSink {
    async fn append(&mut self, lines: String) -> Result<(), SinkError> {
        let path = self.path.clone();
        let failed = self.failed.take();
        // A disk that hangs blocks only this thread.
        let appended = tokio::task::spawn_blocking(move || append(&path, &lines, failed)).await;
        match appended.map_err(io::Error::other)? {
            Ok(()) => Ok(()),
            Err((error, left)) => {
                self.failed = left;
                Err(error.into())
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// The disk may be too full even to cut the file back. The next attempt does that first, unless the file was rotated
    /// meanwhile.
    #[test]
    fn the_next_attempt_cuts_off_a_failed_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        std::fs::write(&path, "1\n2\n3\n").unwrap();
        let attempt = Attempt { file: identity(&open(&path).unwrap()).unwrap(), begin: 2 };
        append(&path, "2\n3\n4\n", Some(attempt)).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n2\n3\n4\n");
        std::fs::rename(&path, folder.path().join("audit.jsonl.1")).unwrap();
        std::fs::write(&path, "4\n5\n").unwrap();
        append(&path, "6\n", Some(attempt)).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "4\n5\n6\n");
    }
}
