//! The hook of git that looks at a commit before it is made.

use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use doorward::key::KeyPrefix;
use doorward_scan::Finder;
use serde::Serialize;

use crate::failure::CliError;
use crate::output::Output;

/// The line by which a hook of ours is known.
const MARK: &str = "# Written by `doorward scan --hook`.";

#[derive(Serialize)]
struct Installed {
    hook: String,
}

/// Installs the hook into the repository that the path is in. A hook of somebody else stays as it is.
pub(super) fn install(path: &Path, prefix: Option<&KeyPrefix>, output: &Output) -> Result<(), CliError> {
    // A path can hold a value itself, which no message shows.
    let finder = Finder::new(&prefix.cloned().unwrap_or_default());
    let folder =
        doorward_scan::hooks_folder(path).map_err(|error| CliError::not_found(finder.redact(&error.to_string())))?;
    let hook = folder.join("pre-commit");
    let failed = |error: &std::io::Error| CliError::of_file("written", &hook, error);
    let prefix = prefix.map(|prefix| format!(" --prefix {prefix}")).unwrap_or_default();
    let command = format!("doorward scan --staged{prefix}");
    match std::fs::read(&hook) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(CliError::of_file("read", &hook, &error)),
        Ok(old) if String::from_utf8_lossy(&old).contains(MARK) => {}
        Ok(_) => {
            return Err(CliError::conflict(format!(
                "{} exists already and stays as it is: add the line `{command} || exit 1` to it",
                hook.display()
            )));
        }
    }
    std::fs::create_dir_all(&folder).map_err(|error| failed(&error))?;
    let text = format!(
        "#!/bin/sh\n{MARK}\n# Refuses a commit that adds an access key or an operator's token. `git commit --no-verify` goes past it.\nexec {command}\n"
    );
    let opened = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o755).open(&hook);
    let written = opened.and_then(|mut file| {
        file.set_permissions(PermissionsExt::from_mode(0o755))?;
        file.write_all(text.as_bytes())
    });
    written.map_err(|error| failed(&error))?;
    let document = Installed { hook: hook.display().to_string() };
    output.done(&document, &format!("Installed {}: it runs `{command}` before each commit.", hook.display()))
}
