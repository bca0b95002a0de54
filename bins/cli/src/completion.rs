//! The proposals of a shell for an argument: words that are fixed, and names and ids that the store knows.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};
use doorward::StoreUrl;
use doorward::audit::Action;
use doorward::auth::Operators;
use doorward::store::Page;
use doorward::types::Environment;

use crate::arguments::{Arguments, Which};
use crate::context::CliContext;
use crate::failure::CliError;
use crate::output::Output;

/// The variable by which the script of a shell asks this program for proposals.
const VARIABLE: &str = "DOORWARD_COMPLETE";

/// The time that a shell waits for a store. A person types on without proposals.
const PATIENCE: Duration = Duration::from_secs(2);

/// The number of proposals of one kind: more are no help.
const MAX_PROPOSALS: u32 = 500;

/// Answers the script of a shell and ends the program, if a script has asked.
pub fn answer() {
    CompleteEnv::with_factory(|| with_proposals(Arguments::command())).var(VARIABLE).complete();
}

/// Adds proposals to the arguments of a command and of its subcommands, by the names of their fields.
fn with_proposals(command: Command) -> Command {
    let command = command.mut_args(|argument| match argument.get_id().as_str() {
        "action" => argument.add(actions()),
        "environment" => argument.add(environments()),
        "key" => argument.add(keys()),
        "operator" => argument.add(operators()),
        "org" => argument.add(organizations()),
        _ => argument,
    });
    command.mut_subcommands(with_proposals)
}

/// Returns the script for a shell.
pub(crate) fn script(shell: Shell) -> Result<String, CliError> {
    let failed = |error: &dyn std::fmt::Display| CliError::failed(format!("the script cannot be made: {error}"));
    let (shells, name) = (Shells::builtins(), shell.to_string());
    let completer = shells.completer(&name).ok_or_else(|| failed(&"this shell is not known"))?;
    let mut script = Vec::new();
    let written = completer.write_registration(VARIABLE, "doorward", "doorward", "doorward", &mut script);
    written.map_err(|error| failed(&error))?;
    String::from_utf8(script).map_err(|error| failed(&error))
}

/// Proposes the two environments.
fn environments() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| beginning_with(typed, Environment::ALL.map(|word| (word.to_string(), None))))
}

/// Proposes the actions of audit events.
fn actions() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| beginning_with(typed, Action::ALL.map(|word| (word.to_string(), None))))
}

/// Proposes the organizations of the store: names, and ids of organizations whose name is not unique.
fn organizations() -> ArgValueCompleter {
    of_store(async |context: &CliContext| {
        let all = context.issuer.organizations(context.operator(), Page::first(MAX_PROPOSALS)).await?;
        let is_unique = |name: &doorward::types::Name| all.iter().filter(|other| other.name == *name).count() == 1;
        let proposal = |organization: &doorward::store::Organization| {
            named(organization.id.to_string(), organization.name.to_string(), is_unique(&organization.name))
        };
        Ok(all.iter().map(proposal).collect())
    })
}

/// Proposes the ids of the keys of the organization that `--org` or DOORWARD_ORG names.
fn keys() -> ArgValueCompleter {
    of_store(async |context: &CliContext| {
        let org = option("--org").or_else(|| std::env::var("DOORWARD_ORG").ok());
        let organization = context.organization(&Which { org, external_id: None }).await?;
        let keys = context.issuer.access_keys(context.operator(), organization.id).await?;
        Ok(keys.into_iter().map(|found| (found.key.id.to_string(), Some(found.key.name.to_string()))).collect())
    })
}

/// Proposes the names of operators.
fn operators() -> ArgValueCompleter {
    of_store(async |context: &CliContext| {
        let operators = Operators::new(&context.core, context.store.clone()).list(context.operator()).await?;
        Ok(operators.into_iter().map(|known| named(known.id.to_string(), known.name.to_string(), true)).collect())
    })
}

/// A text, and what it means.
type Proposal = (String, Option<String>);

/// Returns the proposal of a record: its name, or its id if the name is not unique, or no plain word.
fn named(id: String, name: String, is_unique: bool) -> Proposal {
    if is_unique && is_plain(&name) { (name, Some(id)) } else { (id, Some(name)) }
}

/// Returns whether every shell takes a text for one word and nothing else. Shells put proposals into the line as they are, and
/// names come from customers: `$(…)` would run.
fn is_plain(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "._@%+=:,/-".contains(letter))
}

/// Proposes what `find` finds in the store. A store that cannot be read has no proposals.
fn of_store(
    find: impl AsyncFn(&CliContext) -> Result<Vec<Proposal>, CliError> + Send + Sync + 'static,
) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return vec![] };
        let found = runtime.block_on(async {
            let look = async {
                let context = CliContext::open_existing(&store()?, &Output::silent()).await?;
                find(&context).await
            };
            tokio::time::timeout(PATIENCE, look).await
        });
        runtime.shutdown_background();
        beginning_with(typed, found.ok().and_then(Result::ok).unwrap_or_default())
    })
}

fn beginning_with(typed: &OsStr, proposals: impl IntoIterator<Item = Proposal>) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let fitting = proposals.into_iter().filter(|(text, _)| text.starts_with(&*typed));
    fitting.map(|(text, help)| CompletionCandidate::new(text).help(help.map(Into::into))).collect()
}

/// Returns the store that the line or the environment names.
fn store() -> Result<StoreUrl, CliError> {
    let line = option("--store").map(|url| [OsString::from("doorward"), "--store".into(), url.into()].to_vec());
    Arguments::store_of(line.unwrap_or_else(|| vec!["doorward".into()]))
        .map_err(|error| CliError::usage(error.to_string()))
}

/// Returns the value of an option in the line that is being typed.
fn option(name: &str) -> Option<String> {
    let mut words = std::env::args().skip_while(|word| word != "--").skip(1);
    while let Some(word) = words.next() {
        match word.strip_prefix(name) {
            Some("") => return words.next(),
            Some(rest) if rest.starts_with('=') => return rest.strip_prefix('=').map(str::to_owned),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposals_begin_with_what_was_typed() {
        let proposed = |typed: &str| {
            let candidates = actions().complete(OsStr::new(typed));
            candidates.iter().map(|candidate| candidate.get_value().to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        assert!(proposed("access_key.").contains(&"access_key.regenerated".to_owned()));
        assert!(proposed("access_key.").iter().all(|word| word.starts_with("access_key.")));
        assert_eq!(proposed("nothing"), Vec::<String>::new());
    }

    #[test]
    fn a_name_that_a_shell_would_run_or_split_is_proposed_as_its_id() {
        let proposed = |name: &str| named("org_1".into(), name.into(), true).0;
        for plain in ["acme", "Acme-2", "a.b_c@d"] {
            assert_eq!(proposed(plain), plain);
        }
        for name in
            ["$(touch PWNED)", "`id`", "Acme Inc", "a;b", "=ls", "-x", "~ada", "a\\b", "a'b", "Ünal", "a*", "!1", ""]
        {
            assert_eq!(proposed(name), "org_1", "{name}");
        }
        assert_eq!(named("org_1".into(), "acme".into(), false).0, "org_1");
    }
}
