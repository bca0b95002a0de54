//! The pages of docs/reference name everything that the programs have, and nothing else.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;

use clap::{Command, CommandFactory};
use doorward::audit::Action;
use doorward_docs::page::root;

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Fails with all that a page lacks.
fn names_all(page: &str, wanted: impl IntoIterator<Item = String>, is_named: impl Fn(&str) -> bool) {
    let wanted = BTreeSet::from_iter(wanted);
    assert!(!wanted.is_empty(), "there is nothing to look for in {page}");
    let missing = Vec::from_iter(wanted.iter().filter(|name| !is_named(name)));
    assert!(missing.is_empty(), "{page} does not name {missing:?}");
}

/// The long options of a command.
fn options(command: &Command) -> Vec<String> {
    let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
    shown.filter_map(|argument| argument.get_long()).map(|long| format!("--{long}")).collect()
}

/// All words of a text that begin with `start` and go on with these signs.
fn words(text: &str, start: &str, goes_on: fn(char) -> bool) -> BTreeSet<String> {
    let rest = text.match_indices(start).filter_map(|(at, _)| {
        let is_start = !text.get(..at)?.ends_with(|sign: char| goes_on(sign) || sign == '-');
        is_start.then(|| text.get(at + start.len()..))?
    });
    let words = rest.map(|rest| rest.split(|sign| !goes_on(sign)).next().unwrap_or_default());
    words.filter(|word| !word.is_empty()).map(|word| format!("{start}{word}")).collect()
}

fn is_option(sign: char) -> bool {
    sign.is_ascii_lowercase() || sign == '-'
}

fn is_variable(sign: char) -> bool {
    sign.is_ascii_uppercase() || sign == '_'
}

#[test]
fn configuration_names_every_option_and_variable() {
    let path = "docs/reference/configuration.md";
    let page = read(path);
    let server = doorward_server::arguments::Arguments::command();
    let options = options(&server);
    names_all(path, options.clone(), |option| page.contains(&format!("`{option}")));
    let variables = server.get_arguments().filter_map(|argument| argument.get_env()).map(|name| name.to_str().unwrap());
    let in_help = words(&server.get_after_help().unwrap().to_string(), "DOORWARD_", is_variable);
    names_all(path, variables.map(str::to_owned).chain(in_help), |name| page.contains(&format!("`{name}`")));

    // The rows of the tables are about options that exist.
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `--"));
    for row in rows {
        let option = row.split(|sign| !is_option(sign)).next().unwrap();
        assert!(options.contains(&format!("--{option}")), "{path} tells of --{option}, which does not exist");
    }
}

#[test]
fn configuration_has_the_defaults_of_the_help() {
    let path = "docs/reference/configuration.md";
    let page = read(path);
    for argument in doorward_server::arguments::Arguments::command().get_arguments() {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let default = help.split_once("[default: ").and_then(|(_, rest)| rest.strip_suffix(']'));
        // A default in words is told in other words.
        let (Some(default), Some(long)) = (default.filter(|default| !default.contains(' ')), argument.get_long())
        else {
            continue;
        };
        let row = page.lines().find(|line| line.starts_with("| ") && line.contains(&format!("`--{long}")));
        let row = row.unwrap_or_else(|| panic!("{path} has no row of --{long}"));
        assert!(row.contains(&format!("`{default}`")), "{path}: the default of --{long} is {default}: {row}");
    }
}

#[test]
fn cli_names_every_command_and_option() {
    let path = "docs/reference/cli.md";
    let page = read(path);
    let (mut commands, mut all) = (Vec::new(), Vec::new());
    collect(&doorward_cli::Arguments::command(), "", &mut commands, &mut all);
    names_all(path, commands, |name| page.contains(&format!("`{name}")) || page.contains(&format!("doorward {name}")));
    names_all(path, all, |option| words(&page, "--", is_option).contains(option));
}

/// Collects the commands that do something, and the options of all.
fn collect(command: &Command, path: &str, commands: &mut Vec<String>, all: &mut Vec<String>) {
    all.extend(options(command));
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        let path = format!("{path} {}", inner.get_name()).trim().to_owned();
        collect(inner, &path, commands, all);
        if !inner.has_subcommands() {
            commands.push(path);
        }
    }
}

#[test]
fn metrics_names_every_metric() {
    let path = "docs/reference/metrics.md";
    let page = read(path);
    // Metrics that have counted nothing are not in the answer of a server. Their names stand in the code once.
    let code = read("crates/observe/src/metrics.rs");
    let after = |call| code.split(call).skip(1).filter_map(|rest| rest.split('"').nth(1));
    let registered = after("add(registry, ").chain(after("registry.register_with_unit(")).chain(["build"]);
    let with_unit = after("whole.register_with_unit(");
    let names: BTreeSet<_> =
        registered.map(|name| format!("doorward_{name}")).chain(with_unit.map(str::to_owned)).collect();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let told: BTreeSet<_> = rows.map(|(name, _)| name.to_owned()).filter(|name| name.contains('_')).collect();
    let is_of = |told: &str, name: &str| {
        told.strip_prefix(name).is_some_and(|suffix| ["", "_total", "_info", "_seconds"].contains(&suffix))
    };
    names_all(path, names.clone(), |name| told.iter().any(|told| is_of(told, name)));
    let strange =
        told.iter().filter(|told| told.starts_with("doorward_") && !names.iter().any(|name| is_of(told, name)));
    assert_eq!(strange.collect::<Vec<_>>(), Vec::<&String>::new(), "{path} names metrics that do not exist");
}

#[test]
fn events_names_every_action() {
    let path = "docs/reference/events.md";
    let page = read(path);
    names_all(path, Action::ALL.map(|action| action.as_str().to_owned()), |action| {
        let (entity, verb) = action.split_once('.').unwrap();
        // A row may tell of several actions of one entity: `operator.created`, `.deleted`.
        let in_short = |line: &str| line.contains(&format!("`{entity}.")) && line.contains(&format!("`.{verb}`"));
        page.lines().any(|line| line.contains(&format!("`{action}`")) || in_short(line))
    });
}

#[test]
fn errors_names_every_code() {
    let path = "docs/reference/errors.md";
    let page = read(path);
    let mut codes = BTreeSet::new();
    for member in root().join("crates").read_dir().unwrap() {
        collect_codes(&member.unwrap().path().join("src"), &mut codes);
    }
    assert!(codes.len() > 30, "the codes stand elsewhere now: {codes:?}");
    names_all(path, codes, |code| page.contains(&format!("`{code}`")));
}

/// Collects the words of `Code::new("word", StatusCode::…)`, and of the lines `Name = "word", STATUS;` of a table of codes.
fn collect_codes(folder: &Path, codes: &mut BTreeSet<String>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_codes(&path, codes);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let words = text.split("::new(\"").skip(1).filter_map(|rest| rest.split_once("\", StatusCode::"));
            codes.extend(words.map(|(word, _)| word.to_owned()).filter(|word| !word.contains('"')));
            let table = text.split("\ncodes! {").nth(1).unwrap_or_default();
            codes.extend(table.lines().filter_map(|line| line.split('"').nth(1)).map(str::to_owned));
        }
    }
}
