//! The manual pages: one for the program, and one for each command.

use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::arguments::Arguments;
use crate::failure::CliError;
use crate::output;

/// The page of the server, which another program writes.
const SEE_ALSO: &str = ".SH \"SEE ALSO\"\n\\fBdoorward\\-server\\fR(8)\n";

/// Prints the program's page, or writes every page into a folder.
pub(crate) fn run(folder: Option<&Path>) -> Result<(), CliError> {
    let pages = pages().map_err(|error| CliError::failed(format!("the pages cannot be made: {error}")))?;
    match (folder, pages.first()) {
        (Some(folder), _) => pages.iter().try_for_each(|(name, text)| {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(|error| CliError::of_file("written", &path, &error))
        }),
        (None, Some((_, text))) => output::show(text),
        (None, None) => Ok(()),
    }
}

/// Returns each page with the name of its file, the program's first.
fn pages() -> std::io::Result<Vec<(String, String)>> {
    // `doorward help` and its like have no pages.
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    add(&command, &mut pages)?;
    if let Some((_, text)) = pages.first_mut() {
        text.push_str(SEE_ALSO);
    }
    Ok(pages)
}

fn add(command: &Command, pages: &mut Vec<(String, String)>) -> std::io::Result<()> {
    let man = Man::new(command.clone());
    let mut text = Vec::new();
    man.render(&mut text)?;
    pages.push((man.get_filename(), String::from_utf8_lossy(&text).into_owned()));
    command.get_subcommands().try_for_each(|command| add(command, pages))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Returns the pages that a page names, such as `doorward-key(1)`.
    fn named(text: &str) -> impl Iterator<Item = String> {
        text.split_whitespace().filter_map(|word| {
            let word = word.replace("\\fB", "").replace("\\fR", "").replace('\\', "");
            let (name, section) = word.strip_suffix(')')?.split_once('(')?;
            (name.starts_with("doorward") && section.len() == 1).then(|| format!("{name}.{section}"))
        })
    }

    #[test]
    fn every_page_that_another_names_exists_and_no_section_is_empty() {
        let pages = pages().unwrap();
        let mut known: BTreeSet<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((known.len(), pages.first().unwrap().0.as_str()), (pages.len(), "doorward.1"));
        for name in ["doorward-key.1", "doorward-key-create.1", "doorward-audit-check-proof.1", "doorward-man.1"] {
            assert!(known.contains(name), "{name}");
        }
        // `cargo xtask deb` takes the server's page from the server.
        known.insert("doorward-server.8");
        for (page, text) in &pages {
            for name in named(text) {
                assert!(known.contains(name.as_str()), "{page} names {name}");
            }
            for section in text.split(".SH ").skip(1) {
                let (title, body) = section.split_once('\n').unwrap();
                assert!(!body.trim().is_empty(), "{page}: {title} is empty");
            }
        }
        assert!(known.iter().all(|name| !name.contains("help")), "{known:?}");
        assert!(named(&pages[0].1).any(|name| name == "doorward-key.1"));
    }

    #[test]
    fn every_argument_has_its_help() {
        fn check(command: &Command) {
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
            assert!(command.get_about().is_some(), "{}", command.get_name());
            command.get_subcommands().for_each(check);
        }
        check(&Arguments::command());
    }
}
