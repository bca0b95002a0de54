//! The keys that sign assertions of who sent a request.

use std::path::Path;

use doorward::assertion::AssertionKeys;
use doorward::key::{Random, SystemRandom};
use doorward::secret_files::KeyFile;
use doorward::types::{Clock, SystemClock};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::failure::CliError;
use crate::output::Output;

#[derive(Serialize)]
struct Rotated<'a> {
    newest: &'a str,
}

/// Adds a key to the file.
pub(crate) fn rotate(file: &Path, output: &Output) -> Result<(), CliError> {
    let held = KeyFile::hold(file)?;
    let before: AssertionKeys = match held.read()? {
        Some(text) => text.parse().map_err(|error| CliError::of_file("used", file, &error))?,
        None => AssertionKeys::default(),
    };
    let mut seed = Zeroizing::new([0; 32]);
    SystemRandom.fill(&mut *seed).map_err(|error| CliError::failed(error.to_string()))?;
    let is_first = before.newest().is_none();
    let keys = before.rotated(seed, SystemClock.now());
    held.replace(keys.to_text().as_bytes())?;
    let newest = keys.newest().unwrap_or_default();
    let when =
        if is_first { "signs at once" } else { "signs in ten minutes: copy the file to every server until then" };
    output.done(&Rotated { newest }, &format!("The key {newest} is in {}, and {when}.", file.display()))
}
