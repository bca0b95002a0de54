use std::error::Error;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use doorward_types::Causes;
use zeroize::Zeroizing;

/// The folder in which systemd puts credentials for a service (systemd.exec(5), `LoadCredential=`).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// The reason why a secret cannot be read from its file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretFileError {
    /// The path begins with `$CREDENTIALS_DIRECTORY`, and there is no such folder.
    #[error("{} cannot be read: systemd brought no credentials (LoadCredential=)", path.display())]
    NoCredentials {
        /// The path.
        path: PathBuf,
    },
    /// Others can read the file.
    #[error(
        "{} can be read by others (mode {mode:o}): chmod 600 it, or let root own it and chmod 640 it, with a group that only \
         this server is in",
        path.display()
    )]
    OpenToOthers {
        /// The path.
        path: PathBuf,
        /// The permissions of the file.
        mode: u32,
    },
    /// The operating system cannot read the file.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl SecretFileError {
    /// Returns whether there is no such file.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Unreadable { source, .. } if source.kind() == ErrorKind::NotFound)
    }
}

/// Returns the text of the file. `$CREDENTIALS_DIRECTORY` at the beginning of the path is the folder of systemd's credentials.
///
/// # Errors
///
/// Fails if the file cannot be read, or if others can read it too.
pub fn read(path: &Path) -> Result<Zeroizing<String>, SecretFileError> {
    text_of(&resolve(path)?)
}

/// Returns the text of the file, if only those may read it who may know secrets.
pub(crate) fn text_of(path: &Path) -> Result<Zeroizing<String>, SecretFileError> {
    let unreadable = |source| SecretFileError::Unreadable { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(unreadable)?;
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(unreadable)?;
    refuse_if_open_to_others(&file, path)?;
    Ok(text)
}

/// Returns the file of the credential that systemd brought by this name, if there is one.
#[must_use]
pub fn credential(name: &str) -> Option<PathBuf> {
    let path = Path::new(&std::env::var_os(CREDENTIALS)?).join(name);
    path.exists().then_some(path)
}

/// Looks at the file again and again, and hands its text to `take` when it is another than `seen`. A file that cannot be read or
/// taken changes nothing. The log tells that once, and again when the reason changes or the file can be used.
pub async fn follow<E: Error>(
    path: PathBuf,
    mut seen: Zeroizing<String>,
    pause: Duration,
    mut take: impl FnMut(&str) -> Result<(), E>,
) {
    let mut fault = None;
    loop {
        tokio::time::sleep(pause).await;
        let used = match read(&path) {
            Ok(text) if text == seen => Ok(()),
            Ok(text) => take(&text).map(|()| seen = text).map_err(|error| Causes(&error).to_string()),
            Err(error) => Err(Causes(&error).to_string()),
        };
        match used {
            Ok(()) if fault.take().is_some() => tracing::info!(file = %path.display(), "the file can be used again"),
            Ok(()) => {}
            Err(error) if fault.as_ref() == Some(&error) => {}
            Err(error) => {
                tracing::error!(file = %path.display(), error, "the file cannot be used; its earlier text stays in use");
                fault = Some(error);
            }
        }
    }
}

fn resolve(path: &Path) -> Result<PathBuf, SecretFileError> {
    match path.strip_prefix(format!("${CREDENTIALS}")) {
        Err(_) => Ok(path.to_owned()),
        Ok(rest) => match std::env::var_os(CREDENTIALS) {
            Some(folder) => Ok(Path::new(&folder).join(rest)),
            None => Err(SecretFileError::NoCredentials { path: path.to_owned() }),
        },
    }
}

#[cfg(unix)]
fn refuse_if_open_to_others(file: &File, path: &Path) -> Result<(), SecretFileError> {
    use std::os::unix::fs::MetadataExt;
    let unreadable = |source| SecretFileError::Unreadable { path: path.to_owned(), source };
    let metadata = file.metadata().map_err(unreadable)?;
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o777);
    if is_private(owner, mode) { Ok(()) } else { Err(SecretFileError::OpenToOthers { path: path.to_owned(), mode }) }
}

/// Returns whether only the owner can read the file, or root owns it and a group may read it too. PostgreSQL has the same rule
/// for the mode: programs that mount secrets for a service let root own them.
#[cfg(unix)]
const fn is_private(owner: u32, mode: u32) -> bool {
    mode & 0o077 == 0 || (owner == 0 && mode & 0o037 == 0)
}

#[cfg(not(unix))]
fn refuse_if_open_to_others(_: &File, _: &Path) -> Result<(), SecretFileError> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::{Arc, Mutex, PoisonError};

    use tracing::{Event, Id, Level, Metadata, span};

    use super::*;

    /// Collects the levels of the log's lines.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<Level>>>);

    impl tracing::Subscriber for Log {
        fn enabled(&self, of: &Metadata<'_>) -> bool {
            of.target().starts_with("doorward")
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &span::Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &Event<'_>) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(*event.metadata().level());
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_of_a_followed_file_is_logged_once_and_its_end_too() {
        let log = Log::default();
        let _guard = tracing::subscriber::set_default(log.clone());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let write = |text: &str, mode| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        write("1", 0o600);
        let (seen, taken) = (read(&path).unwrap(), Arc::new(Mutex::new(vec![])));
        let take = {
            let taken = Arc::clone(&taken);
            move |text: &str| -> Result<(), std::num::ParseIntError> {
                taken.lock().unwrap().push(text.parse::<u32>()?);
                Ok(())
            }
        };
        let pause = Duration::from_secs(1);
        tokio::spawn(follow(path.clone(), seen, pause, take));
        let looks = async || tokio::time::sleep(pause * 10).await;
        let mut told = vec![];
        for (text, mode, news) in [
            ("1", 0o600, None),
            ("1", 0o644, Some(Level::ERROR)),
            ("no number", 0o600, Some(Level::ERROR)),
            ("1", 0o600, Some(Level::INFO)),
            ("2", 0o644, Some(Level::ERROR)),
            ("2", 0o600, Some(Level::INFO)),
        ] {
            write(text, mode);
            looks().await;
            told.extend(news);
            assert_eq!(*log.0.lock().unwrap(), told, "{text} {mode:o}");
        }
        assert_eq!(*taken.lock().unwrap(), [2]);
    }

    #[test]
    fn a_group_may_read_a_file_of_root_and_no_other_file() {
        for mode in [0o600, 0o400, 0o700] {
            assert!(is_private(0, mode) && is_private(1_000, mode), "{mode:o}");
        }
        // As Kubernetes, Docker and systemd mount them.
        for mode in [0o640, 0o440] {
            assert!(is_private(0, mode) && !is_private(1_000, mode), "{mode:o}");
        }
        for mode in [0o644, 0o604, 0o660, 0o620, 0o610, 0o641, 0o666, 0o444, 0o601] {
            assert!(!is_private(0, mode) && !is_private(1_000, mode), "{mode:o}");
        }
    }

    #[test]
    fn the_mode_of_the_file_that_was_read_decides() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "s3cret").unwrap();
        let with = |mode| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            read(&path).map(|text| text.to_string()).map_err(|error| error.to_string())
        };
        assert_eq!(with(0o600), Ok("s3cret".to_owned()));
        assert!(with(0o644).unwrap_err().contains("can be read by others (mode 644): chmod 600 it"));
        let root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&path).unwrap()) == 0;
        assert_eq!(with(0o640).is_ok(), root);
        assert!(read(&folder.path().join("none")).unwrap_err().is_missing());
    }
}
