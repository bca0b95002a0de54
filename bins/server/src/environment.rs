//! Variables `DOORWARD_…`: settings, secrets in files that variables name, and unknown variables.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, bail};
use clap::builder::Resettable;
use clap::{Command, CommandFactory, FromArgMatches};
use doorward::StoreUrl;
use doorward::secret_files;

use crate::arguments::Arguments;

/// The beginning of the name of every variable that this program reads.
const PREFIX: &str = "DOORWARD_";

const STORE: &str = "DOORWARD_STORE";

/// The file with the store's URL, for a URL that holds a password.
const STORE_FILE: &str = "DOORWARD_STORE_FILE";

/// The names of systemd's credentials.
pub(crate) const STORE_CREDENTIAL: &str = "doorward-store";
pub(crate) const SEALING_KEY_CREDENTIAL: &str = "doorward-sealing-key";
pub(crate) const SIGNING_KEY_CREDENTIAL: &str = "doorward-signing-key";

/// Variables without an option: of this program, and of the command line.
const OTHERS: [&str; 4] = [STORE_FILE, "DOORWARD_SEALING_KEY", "DOORWARD_SEALING_KEY_FILE", "DOORWARD_OUTPUT"];

/// Variables of options that some builds lack.
const OPTIONAL: [&str; 1] = ["DOORWARD_OTLP_ENDPOINT"];

/// The beginnings of other programs' variables: Kubernetes sets the first two in every container beside a service called
/// `doorward`, and this repository's tests set the last.
const OF_OTHERS: [&str; 3] = ["DOORWARD_SERVICE_", "DOORWARD_PORT", "DOORWARD_TEST_"];

/// Returns the variable's value; an empty one counts as unset.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Reads the program's arguments. Help and errors end the program.
#[must_use]
pub fn arguments() -> Arguments {
    let read = || Arguments::from_arg_matches(&command().try_get_matches()?);
    read().unwrap_or_else(|error| error.exit())
}

/// Returns the command, for which an empty variable counts as unset.
fn command() -> Command {
    Arguments::command().mut_args(|argument| match argument.get_env() {
        Some(name) if std::env::var_os(name).is_some_and(|value| value.is_empty()) => argument.env(Resettable::Reset),
        _ => argument,
    })
}

/// Returns the store's URL: from the option, the variable, the file that a variable names, or a credential of systemd.
pub(crate) fn store(option: Option<StoreUrl>) -> anyhow::Result<Option<StoreUrl>> {
    if variable(STORE).is_some() && variable(STORE_FILE).is_some() {
        bail!("{STORE} and {STORE_FILE} are both set: set one of them");
    }
    if option.is_some() {
        return Ok(option);
    }
    match variable(STORE_FILE) {
        Some(path) => read_url(Path::new(&path)).with_context(|| format!("in the file of {STORE_FILE}")).map(Some),
        None => secret_files::credential(STORE_CREDENTIAL).map(|path| read_url(&path)).transpose(),
    }
}

fn read_url(path: &Path) -> anyhow::Result<StoreUrl> {
    let text = secret_files::read(path)?;
    text.trim().parse().with_context(|| path.display().to_string())
}

/// Returns the variables with our prefix that this program does not read: misspelt, or of another version.
pub(crate) fn unknown() -> BTreeSet<String> {
    unknown_of(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))
}

fn unknown_of(names: impl Iterator<Item = String>) -> BTreeSet<String> {
    let command = Arguments::command();
    let options = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str());
    let known: BTreeSet<&str> = options.chain(OTHERS).chain(OPTIONAL).collect();
    let is_ours = |name: &String| {
        name.starts_with(PREFIX)
            && !known.contains(name.as_str())
            && !OF_OTHERS.iter().any(|beginning| name.starts_with(beginning))
    };
    names.filter(is_ours).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_variable_is_named() {
        let names = [
            "DOORWARD_STORE",
            "DOORWARD_STROE",
            "PATH",
            "DOORWARD_",
            "DOORWARD_PORT_8080_TCP",
            "DOORWARD_SERVICE_HOST",
        ];
        let unknown = unknown_of(names.into_iter().map(str::to_owned));
        assert_eq!(unknown.into_iter().collect::<Vec<_>>(), ["DOORWARD_", "DOORWARD_STROE"]);
        // Every option has a variable of the same name.
        let is_setting = |argument: &&clap::Arg| !["check", "man"].contains(&argument.get_id().as_str());
        for argument in Arguments::command().get_arguments().filter(is_setting) {
            let long = argument.get_long().unwrap().replace('-', "_").to_uppercase();
            let expected = format!("DOORWARD_{long}");
            let variable = argument.get_env().map_or(expected.as_str(), |name| name.to_str().unwrap());
            assert_eq!(variable.trim_end_matches('S'), expected.trim_end_matches('S'));
            assert!(argument.get_env().is_some() || OTHERS.contains(&variable), "{variable}");
        }
    }
}
