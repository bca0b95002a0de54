//! Files that hold secrets: read into memory that is wiped, and only if no one else can read them.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use zeroize::Zeroizing;

/// The folder in which systemd puts credentials for a service (systemd.exec(5), `LoadCredential=`).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Returns what the file holds. `$CREDENTIALS_DIRECTORY` at the beginning of the path is the folder of systemd's credentials.
///
/// # Errors
///
/// If it cannot be read, which an [`std::io::Error`] within tells the reason of; or if others can read it too.
pub(crate) fn read(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let path = &resolve(path)?;
    let read = || {
        let mut file = File::open(path)?;
        let mut text = Zeroizing::new(String::new());
        file.read_to_string(&mut text)?;
        Ok::<_, std::io::Error>((file, text))
    };
    let (file, text) = read().with_context(|| format!("{} cannot be read", path.display()))?;
    refuse_if_open_to_others(&file, path)?;
    Ok(text)
}

/// Returns the file of a credential that systemd brought by this name, if it did.
pub(crate) fn credential(name: &str) -> Option<PathBuf> {
    let path = Path::new(&std::env::var_os(CREDENTIALS)?).join(name);
    path.exists().then_some(path)
}

fn resolve(path: &Path) -> anyhow::Result<PathBuf> {
    match path.strip_prefix(format!("${CREDENTIALS}")) {
        Err(_) => Ok(path.to_owned()),
        Ok(rest) => match std::env::var_os(CREDENTIALS) {
            Some(folder) => Ok(Path::new(&folder).join(rest)),
            None => bail!("{} cannot be read: systemd brought no credentials (LoadCredential=)", path.display()),
        },
    }
}

#[cfg(unix)]
fn refuse_if_open_to_others(file: &File, path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let metadata = file.metadata()?;
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o777);
    if !is_private(owner, mode) {
        bail!(
            "{} can be read by others (mode {mode:o}): chmod 600 it, or let root own it and chmod 640 it, with a group that only \
             this server is in",
            path.display()
        );
    }
    Ok(())
}

/// As PostgreSQL has it: the owner alone reads it; or root owns it, as what mounts secrets for a service does, and a group may
/// read it too.
#[cfg(unix)]
const fn is_private(owner: u32, mode: u32) -> bool {
    mode & 0o077 == 0 || (owner == 0 && mode & 0o037 == 0)
}

#[cfg(not(unix))]
fn refuse_if_open_to_others(_: &File, _: &Path) -> anyhow::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_group_may_read_what_root_owns_and_nobody_else_anything() {
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
        let missing = read(&folder.path().join("none")).unwrap_err();
        assert_eq!(missing.downcast_ref::<std::io::Error>().unwrap().kind(), std::io::ErrorKind::NotFound);
    }
}
