//! The keys that sign assertions of who sent a request.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use doorward::assertion::AssertionKeys;
use doorward::key::{Random, SystemRandom};
use doorward::types::{Clock, SystemClock};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::output::Output;

#[derive(Serialize)]
struct Rotated<'a> {
    newest: &'a str,
}

/// Adds a key to the file. The file is replaced as a whole, and keeps its mode.
pub(crate) fn rotate(file: &Path, output: &Output) -> Result<(), Failure> {
    let cannot = |what: &str, error: &dyn std::fmt::Display| {
        Failure::failed(format!("{} cannot be {what}: {error}", file.display()))
    };
    let (before, mode) = match std::fs::read_to_string(file).map(Zeroizing::new) {
        Ok(text) => {
            let keys: AssertionKeys = text.parse().map_err(|error| cannot("used", &error))?;
            let mode = std::fs::metadata(file).map_err(|error| cannot("read", &error))?.permissions().mode() & 0o777;
            (keys, mode)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => (AssertionKeys::default(), 0o600),
        Err(error) => return Err(cannot("read", &error)),
    };
    let mut seed = Zeroizing::new([0; 32]);
    SystemRandom.fill(&mut *seed).map_err(|error| Failure::failed(error.to_string()))?;
    let is_first = before.newest().is_none();
    let keys = before.rotated(seed, SystemClock.now());
    replace(file, mode, keys.to_text().as_bytes()).map_err(|error| cannot("written", &error))?;
    let newest = keys.newest().unwrap_or_default();
    let when =
        if is_first { "signs at once" } else { "signs in ten minutes: copy the file to every server until then" };
    output.done(&Rotated { newest }, &format!("The key {newest} is in {}, and {when}.", file.display()))
}

/// Writes a file beside the old one, and puts it in its place.
fn replace(file: &Path, mode: u32, text: &[u8]) -> std::io::Result<()> {
    // A link stays a link.
    let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let mut temporary = file.as_os_str().to_owned();
    temporary.push(format!(".{}", std::process::id()));
    let written = (|| {
        let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        out.write_all(text)?;
        out.set_permissions(Permissions::from_mode(mode))?;
        out.sync_all()?;
        std::fs::rename(&temporary, &file)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    written.and_then(|()| File::open(folder)?.sync_all())
}
