//! `cargo xtask check-language`: counts the lines that break the language rule of docs/CONTRIBUTING.md.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::bail;

use crate::shell;

/// The words that must not open a line, because they make a riddle of the sentence.
const QUESTIONS: [&str; 12] =
    ["How", "That", "Those", "What", "Whatever", "When", "Where", "Whether", "Who", "Whom", "Whose", "Why"];

/// The words after a "where" that stands for "if".
const AFTER_WHERE: [&str; 13] =
    ["anyone", "it", "no", "nobody", "none", "one", "somebody", "someone", "that", "the", "there", "they", "this"];

/// The words that a reader must look up or guess.
const ARCHAIC: [&str; 8] = ["anew", "any more", "at the most", "for ever", "no one", "one that", "whoever", "whomever"];

/// The maximum shares of lines, in percent: the strictest limits that rustls keeps.
const LIMITS: [(Fault, f64); 3] = [(Fault::Question, 1.5), (Fault::Where, 0.4), (Fault::Archaic, 0.05)];

/// The kinds of text. The limits apply to each kind alone, so that a large kind does not hide a small kind.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Kind {
    Documentation,
    Comment,
    Message,
    Prose,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Documentation => "documentation lines",
            Self::Comment => "comment lines",
            Self::Message => "error and log texts",
            Self::Prose => "lines of Markdown",
        })
    }
}

/// The ways to break the rule.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    Archaic,
    Question,
    Where,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Archaic => "archaic words",
            Self::Question => "an opening question word",
            Self::Where => "\"where\" for \"if\"",
        })
    }
}

/// A line that people read, with its kind.
#[derive(Debug, Eq, PartialEq)]
struct Line<'t> {
    kind: Kind,
    number: usize,
    text: &'t str,
}

/// Prints the shares and every line at fault, and fails if a share is above its limit.
pub(crate) fn check() -> anyhow::Result<()> {
    let (mut counts, mut found, mut over) = (BTreeMap::new(), Vec::new(), Vec::new());
    for file in files()? {
        // Git's list still has a file whose removal is not committed.
        let Ok(text) = std::fs::read_to_string(shell::root().join(&file)) else { continue };
        let lines = if file.ends_with(".rs") { code(&text) } else { prose(&text) };
        for line in lines {
            *counts.entry(line.kind).or_insert(0) += 1;
            let faults = LIMITS.iter().filter(|(fault, _)| has(line.kind, line.text, *fault));
            found
                .extend(faults.map(|(fault, _)| (line.kind, *fault, format!("{file}:{}: {}", line.number, line.text))));
        }
    }
    for (kind, of) in counts {
        for (fault, limit) in LIMITS {
            let at_fault: Vec<_> = found.iter().filter(|(of, with, _)| (*of, *with) == (kind, fault)).collect();
            let share = percent(at_fault.len(), of);
            shell::say(&format!("{} of {of} {kind} with {fault}: {share:.2} % (limit {limit} %)", at_fault.len()));
            for (_, _, line) in at_fault {
                shell::say(&format!("  {line}"));
            }
            if share > limit {
                over.push(format!("{kind} with {fault}: {share:.2} %, the limit is {limit} %"));
            }
        }
    }
    if over.is_empty() { Ok(()) } else { bail!("write plain English (docs/CONTRIBUTING.md):\n{}", over.join("\n")) }
}

#[expect(clippy::cast_precision_loss, reason = "a repository has fewer than 2^52 lines")]
fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}

/// Returns the Rust and Markdown files that git knows.
fn files() -> anyhow::Result<Vec<String>> {
    Ok(shell::output("git", &["ls-files", "*.rs", "*.md"])?.lines().map(str::to_owned).collect())
}

/// The beginnings of error and log texts.
const MESSAGES: [&str; 9] = [
    "#[error(\"",
    "anyhow!(\"",
    "bail!(\"",
    "context(\"",
    "error!(\"",
    "info!(\"",
    "warn!(\"",
    "with_context(|| \"",
    "with_context(|| format!(\"",
];

fn code(text: &str) -> Vec<Line<'_>> {
    let numbered = text.lines().zip(1..).filter_map(|(line, number)| {
        let line = line.trim_start();
        let (kind, text) = if let Some(text) = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) {
            (Kind::Documentation, text)
        } else if let Some(text) = line.strip_prefix("//") {
            (Kind::Comment, text)
        } else {
            let text = MESSAGES.iter().find_map(|beginning| line.split_once(beginning))?.1;
            (Kind::Message, text.split('"').next().unwrap_or(text))
        };
        Some(Line { kind, number, text: text.trim() })
    });
    numbered.collect()
}

fn prose(text: &str) -> Vec<Line<'_>> {
    let mut is_code = false;
    let numbered = text.lines().zip(1..).filter_map(|(line, number)| {
        let line = line.trim();
        let is_fence = line.starts_with("```");
        is_code ^= is_fence;
        (!is_code && !is_fence && !line.is_empty()).then_some(Line { kind: Kind::Prose, number, text: line })
    });
    numbered.collect()
}

fn has(kind: Kind, text: &str, fault: Fault) -> bool {
    match fault {
        Fault::Archaic => ARCHAIC.iter().any(|phrase| holds(&text.to_lowercase(), phrase)),
        Fault::Question => {
            // A page may ask a question and answer it.
            let is_asked = kind == Kind::Prose && text.contains('?');
            let first = first_word(text);
            // A line of a message begins in lower case, as the style demands.
            let is_it = |word: &str| word == first || kind == Kind::Message && word.eq_ignore_ascii_case(first);
            !is_asked && QUESTIONS.iter().any(|word| is_it(word))
        }
        Fault::Where => AFTER_WHERE.iter().any(|word| holds(text, &format!("where {word}"))),
    }
}

/// Returns the first word, after the signs of a list, a heading, a table, a quotation, emphasis or code.
fn first_word(text: &str) -> &str {
    let text = text.trim_start_matches(|sign: char| sign.is_whitespace() || "-*#>|[`_".contains(sign));
    text.split(|sign: char| !sign.is_alphanumeric()).next().unwrap_or_default()
}

/// Returns true if a text has a phrase as whole words.
fn holds(text: &str, phrase: &str) -> bool {
    let is_word = |sign: Option<char>| sign.is_some_and(|sign| sign.is_alphanumeric() || sign == '_');
    text.match_indices(phrase).any(|(at, _)| {
        let (before, after) = (text.get(..at), text.get(at + phrase.len()..));
        !is_word(before.and_then(|text| text.chars().next_back()))
            && !is_word(after.and_then(|text| text.chars().next()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(kind: Kind, text: &str) -> Vec<Fault> {
        LIMITS.iter().map(|(fault, _)| *fault).filter(|fault| has(kind, text, *fault)).collect()
    }

    #[test]
    fn riddles_are_found() {
        for (text, fault) in [
            ("Whose dead secret this text is", Fault::Question),
            ("- `How` often a change is tried again", Fault::Question),
            ("[`What`] the server does with", Fault::Question),
            ("Fails where the lease has run out", Fault::Where),
            ("the server ends where it has no key", Fault::Where),
            ("Nodes load everything anew.", Fault::Archaic),
            ("No one knows", Fault::Archaic),
            ("Returns the key, or one that is staged", Fault::Archaic),
            ("Ten at the most", Fault::Archaic),
        ] {
            assert_eq!(faults(Kind::Documentation, text), [fault], "{text}");
        }
        assert_eq!(faults(Kind::Prose, "**Why is it so?** Since it rains."), []);
        assert_eq!(faults(Kind::Prose, "- Who puts a connector is in the log."), [Fault::Question]);
        assert_eq!(faults(Kind::Message, "what was asked for is not there"), [Fault::Question]);
    }

    #[test]
    fn plain_sentences_pass() {
        for text in [
            "Returns the current tick if the lease is still valid.",
            "The lease's end.",
            "that a line goes on with",
            "Thatched roofs, and the Howard function",
            "the file where a key lies",
            "somewhere there",
            "This answers `whoever_asks`, newly and anew_",
            "Fails for everyone that asks",
        ] {
            assert_eq!(faults(Kind::Documentation, text), [], "{text}");
        }
    }

    #[test]
    fn lines_have_their_kind() {
        let text =
            "//! A module.\n\nfn f() { // no line of its own\n    // Since it rains.\n    bail!(\"it {rains}\");\n}\n";
        let lines = code(text).into_iter().map(|line| (line.kind, line.number, line.text));
        let expected = [
            (Kind::Documentation, 1, "A module."),
            (Kind::Comment, 4, "Since it rains."),
            (Kind::Message, 5, "it {rains}"),
        ];
        assert!(lines.eq(expected));
    }

    #[test]
    fn code_blocks_are_no_prose() {
        let lines = prose("# Title\n\n```console\n$ whoever\n```\nText.\n");
        assert!(lines.iter().map(|line| (line.number, line.text)).eq([(1, "# Title"), (6, "Text.")]));
    }

    #[test]
    fn shares_are_of_all_lines() {
        assert!((percent(3, 200) - 1.5).abs() < 1e-9);
        assert!(percent(0, 0).abs() < 1e-9);
    }
}
