//! The form of the pages: every block has a language that a test knows, and few blocks are left out.

use doorward_docs::page::{self, Block};

/// The languages, each of which some test takes. `text` is not for machines.
const LANGUAGES: [&str; 9] = ["console", "go", "js", "json", "python", "rust", "text", "toml", "yaml"];

/// The most blocks that pages may leave out: what needs other machines, a service manager, or hours.
const LEFT_OUT: usize = 36;

#[test]
fn every_block_has_a_language_that_a_test_knows() {
    for page in page::all().unwrap() {
        for block in page.checked() {
            let (path, line, language) = (&page.path, block.line, block.language());
            assert!(LANGUAGES.contains(&language), "{path}:{line}: `{language}` is none of {LANGUAGES:?}");
            assert!(!block.has("ignore"), "{path}:{line}: `ignore` hides code that does not compile: use `no_run`");
        }
    }
}

#[test]
fn blocks_are_left_out_for_a_reason() {
    let mut left_out = Vec::new();
    for page in page::all().unwrap() {
        for block in &page.blocks {
            if let Some(reason) = &block.not_run {
                assert!(!reason.is_empty(), "{}:{}: say why the block is not run", page.path, block.line);
                left_out.push(format!("{}:{}: {reason}", page.path, block.line));
            }
        }
    }
    say!("{} blocks are left out:\n{}", left_out.len(), left_out.join("\n"));
    assert!(left_out.len() <= LEFT_OUT, "more than {LEFT_OUT} blocks are left out:\n{}", left_out.join("\n"));
}

#[test]
fn every_tutorial_runs_commands() {
    for page in page::all().unwrap().iter().filter(|page| page.path.starts_with("docs/tutorials/")) {
        let commands = page.checked().filter(|block| block.language() == "console");
        let count: usize = commands.map(|block| block.commands().unwrap().len()).sum();
        say!("{}: {count} commands", page.path);
        assert!(count > 0, "{} runs no command", page.path);
    }
}

#[test]
fn a_server_block_starts_one_program() {
    for page in page::all().unwrap() {
        let is_server = |block: &&Block| block.language() == "console" && block.has("server");
        for block in page.checked().filter(is_server) {
            assert_eq!(block.commands().unwrap().len(), 1, "{}:{}", page.path, block.line);
        }
    }
}

#[test]
fn json_is_json() {
    for page in page::all().unwrap() {
        for block in page.checked().filter(|block| block.language() == "json") {
            let mut values = serde_json::Deserializer::from_str(&block.text).into_iter::<serde_json::Value>();
            let error = values.find_map(Result::err);
            assert!(error.is_none(), "{}:{}: {}", page.path, block.line, error.unwrap());
        }
    }
}
