//! Every page does what it prints. The pages run one after another: their servers listen on the same ports.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use clap::Parser;
use doorward_docs::page::{self, Block, Page, is_expected};
use doorward_server::arguments::Arguments;
use doorward_server::config::Config;

use crate::session::{Outcome, Session, variables};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The commands that this test is a part of: they would never end.
const OURS: [&str; 3] = ["cargo xtask test", "cargo xtask ci", "cargo test"];

mod pages {
    include!(concat!(env!("OUT_DIR"), "/pages.rs"));
}

#[test]
fn no_page_is_forgotten() {
    let pages = page::all().unwrap();
    let with_something = pages.iter().filter(|page| page.checked().any(Block::runs)).map(|page| page.path.as_str());
    assert!(with_something.eq(pages::PAGES.iter().copied()), "build the tests again");
}

/// Runs a page from its first block to its last. Returns the numbers of what ran and of what was left out.
fn run(path: &str, text: &str) -> (usize, usize) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let page = Page::parse(path, text);
    let mut session = Session::start(&variables(path, text));
    let ran = page.checked().map(|block| run_block(&mut session, path, block)).sum();
    let left_out = page.blocks.iter().filter(|block| block.not_run.is_some()).count();
    say!("{path}: {ran} commands and programs ran, {left_out} blocks were left out");
    (ran, left_out)
}

/// Returns the number of commands that ran.
fn run_block(session: &mut Session, path: &str, block: &Block) -> usize {
    let mut program = |extension: &str, run: &str| {
        let file = session.file(&block.text, extension).display().to_string();
        let command = format!("{run} {file}");
        if block.has("server") { (session.serve(&command), 1) } else { (session.run(&command), 1) }
    };
    let (outcome, ran) = match block.language() {
        "console" => return run_commands(session, path, block),
        "go" if block.text.contains("package main") => program("go", "go run"),
        "go" => program("go", "go vet"),
        "js" => program("mjs", "node"),
        "python" => program("py", "python3"),
        "yaml" => program("yaml", "python3 -c 'import sys, yaml; list(yaml.safe_load_all(open(sys.argv[1])))'"),
        "toml" => {
            let file = session.file(&block.text, "toml");
            configure(&block.text, &file).unwrap_or_else(|error| panic!("{path}:{}: {error}", block.line));
            return 0;
        }
        _ => return 0,
    };
    succeed(path, block.line, &block.text, outcome);
    ran
}

fn run_commands(session: &mut Session, path: &str, block: &Block) -> usize {
    let commands = block.commands().unwrap_or_else(|error| panic!("{path}: {error}"));
    let commands = commands.into_iter().filter(|command| !OURS.iter().any(|ours| command.text.starts_with(ours)));
    let mut ran = 0;
    for command in commands {
        let outcome = if block.has("server") { session.serve(&command.text) } else { session.run(&command.text) };
        let outcome = succeed(path, command.line, &command.text, outcome);
        let expected: Vec<_> = command.expected.iter().map(String::as_str).collect();
        assert!(
            expected.is_empty() || prints(&expected, &outcome),
            "{path}:{}: `{}` prints:\n{}{}\nthe page says:\n{}",
            command.line,
            command.text,
            outcome.output,
            outcome.errors,
            expected.join("\n")
        );
        ran += 1;
    }
    ran
}

fn succeed(path: &str, line: usize, command: &str, outcome: Result<Outcome, String>) -> Outcome {
    match outcome {
        Ok(outcome) if outcome.status == 0 => outcome,
        Ok(Outcome { status, output, errors }) => {
            panic!("{path}:{line}: `{command}` ended with status {status}:\n{output}{errors}")
        }
        Err(error) => panic!("{path}:{line}: `{command}`: {error}"),
    }
}

/// Returns whether a page shows the output of a command: standard output, standard error, or both in either order.
fn prints(expected: &[&str], Outcome { output, errors, .. }: &Outcome) -> bool {
    let prints = |texts: &[&String]| {
        let mut lines: Vec<_> = texts.iter().flat_map(|text| text.lines()).collect();
        while lines.last().is_some_and(|line| line.is_empty()) {
            lines.pop();
        }
        is_expected(expected, &lines)
    };
    prints(&[output]) || prints(&[errors]) || prints(&[output, errors]) || prints(&[errors, output])
}

/// Has the server's own parser read settings. A snippet of Cargo.toml or clippy.toml must be TOML.
fn configure(text: &str, file: &Path) -> Result<(), String> {
    let table: toml::Table = text.parse().map_err(|error| format!("{error}"))?;
    if ["dependencies", "dev-dependencies", "disallowed-methods", "features", "package", "workspace"]
        .iter()
        .any(|name| table.contains_key(*name))
    {
        return Ok(());
    }
    let arguments = Arguments::try_parse_from(["doorward-server".as_ref(), "--config".as_ref(), file.as_os_str()]);
    let config = Config::new(arguments.map_err(|error| error.to_string())?);
    config.map(drop).map_err(|error| format!("{error:#}"))
}

#[test]
fn a_page_runs_from_its_first_block_to_its_last() {
    assert_eq!(run("fixture.md", include_str!("fixture.md")), (15, 1));
}

/// Returns the words with which a page fails.
fn failure(text: &str) -> String {
    let failed = std::panic::catch_unwind(|| run("fixture.md", text)).unwrap_err();
    *failed.downcast::<String>().unwrap()
}

#[test]
fn a_page_that_is_not_true_fails_with_its_line() {
    for (text, why) in [
        ("# A\n```console\n$ true\n$ false\n```\n", "fixture.md:4: `false` ended with status 1"),
        ("```console\n$ echo a\nb\n```\n", "fixture.md:2: `echo a` prints:\na\n\nthe page says:\nb"),
        ("```console\n$ exit 0\n```\n", "fixture.md:2: `exit 0`: no end"),
        ("```console server\n$ echo gone\n```\n", "fixture.md:2: `echo gone`: the program ended:\ngone"),
        ("```toml\nlissten = \"127.0.0.1:1\"\n```\n", "unknown field `lissten`"),
        ("```python\nprint(1 / 0)\n```\n", "ZeroDivisionError"),
        ("```console\n$ cargo run --frob\n```\n", "the docs test does not know: cargo run --frob"),
    ] {
        let said = failure(text);
        assert!(said.contains(why), "{text}: {said}");
    }
}
