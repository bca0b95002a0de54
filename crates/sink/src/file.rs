use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use doorward_audit::Event;

use crate::{Shape, Sink, SinkError};

/// Lines of JSON at the end of a file.
///
/// The file is opened anew for each batch: whoever rotates it needs to tell no one. What a crash has left of a line is cut
/// off, since its event comes again.
#[derive(Debug)]
pub struct FileSink {
    path: PathBuf,
    shape: Shape,
}

impl FileSink {
    /// Appends to this file, which is made where there is none, so that no one else can read it.
    ///
    /// # Errors
    ///
    /// Where it can neither be opened nor made.
    pub fn open(path: impl Into<PathBuf>, shape: Shape) -> io::Result<Self> {
        let path = path.into();
        open(&path)?;
        Ok(Self { path, shape })
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn append(path: &Path, lines: &str) -> io::Result<()> {
    let mut file = open(path)?;
    cut_off_half_a_line(&mut file)?;
    file.write_all(lines.as_bytes())?;
    file.sync_data()
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

#[async_trait]
impl Sink for FileSink {
    fn batch(&self) -> usize {
        1_000
    }

    async fn deliver(&mut self, events: &[Event]) -> Result<(), SinkError> {
        let (path, lines) = (self.path.clone(), self.shape.lines(events));
        // A disk that hangs, hangs a thread of its own.
        tokio::task::spawn_blocking(move || append(&path, &lines)).await.map_err(io::Error::other)??;
        Ok(())
    }
}
