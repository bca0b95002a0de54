//! A page: its blocks of code, its links, and the anchors that links lead to.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// The languages of blocks that the test of their page takes.
const RUNS: [&str; 6] = ["console", "go", "js", "python", "toml", "yaml"];

/// A page of the documentation.
#[derive(Debug, Default)]
pub struct Page {
    /// The path from the repository's root.
    pub path: String,
    /// The blocks of code, in order.
    pub blocks: Vec<Block>,
    /// The targets of links and pictures, with their lines.
    pub links: Vec<(usize, String)>,
    /// The anchors of the page's headings, and those that its HTML names.
    pub anchors: Vec<String>,
}

/// A block of code.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Block {
    /// The line of its first fence.
    pub line: usize,
    /// The words after the fence: the language first.
    pub words: Vec<String>,
    /// The lines between the fences.
    pub text: String,
    /// The reason to leave the block out, if the line above it says so.
    pub not_run: Option<String>,
}

/// A command of a `console` block.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Command {
    /// Its first line on the page.
    pub line: usize,
    /// The command as bash reads it.
    pub text: String,
    /// The lines that it must print.
    pub expected: Vec<String>,
}

impl Block {
    /// The language, or nothing if the block names none.
    #[must_use]
    pub fn language(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// Returns whether a word stands after the language.
    #[must_use]
    pub fn has(&self, word: &str) -> bool {
        self.words.iter().skip(1).any(|given| given == word)
    }

    /// Returns whether the block is a program or a list of commands, which the test of its page runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        RUNS.contains(&self.language())
    }

    /// Returns the commands of a `console` block.
    ///
    /// # Errors
    ///
    /// Fails if the block does not begin with a command.
    pub fn commands(&self) -> Result<Vec<Command>, String> {
        let mut commands: Vec<Command> = Vec::new();
        let (mut continues, mut end_of_input) = (false, None::<String>);
        for (line, number) in self.text.lines().zip(self.line + 1..) {
            if let Some(text) = line.strip_prefix("$ ").filter(|_| !continues && end_of_input.is_none()) {
                commands.push(Command { line: number, text: text.to_owned(), expected: vec![] });
                end_of_input = here_document(text);
            } else {
                let last =
                    commands.last_mut().ok_or_else(|| format!("line {number} stands before any `$ ` command"))?;
                if continues || end_of_input.is_some() {
                    last.text.extend(["\n", line]);
                    if end_of_input.as_deref() == Some(line) {
                        end_of_input = None;
                        continue;
                    }
                } else {
                    last.expected.push(line.to_owned());
                    continue;
                }
            }
            continues = end_of_input.is_none() && line.ends_with('\\');
        }
        if continues || end_of_input.is_some() {
            return Err("the last command does not end".to_owned());
        }
        Ok(commands)
    }
}

/// The line that ends the input which a command holds in itself (`<<EOF`, `<<'EOF'`).
fn here_document(command: &str) -> Option<String> {
    let (_, rest) = command.split_once("<<").filter(|(_, rest)| !rest.starts_with('<'))?;
    let word: String =
        rest.trim_start_matches(['\'', '"', ' ']).chars().take_while(|sign| sign.is_alphanumeric()).collect();
    (!word.is_empty()).then_some(word)
}

/// Returns whether a page expects these lines: `…` within a line stands for anything, and a line `…` for any lines.
#[must_use]
pub fn is_expected(expected: &[&str], lines: &[&str]) -> bool {
    match (expected.split_first(), lines.split_first()) {
        (None, None) => true,
        (Some((&"…", rest)), None) => is_expected(rest, lines),
        (Some((&"…", rest)), Some((_, after))) => is_expected(rest, lines) || is_expected(expected, after),
        (Some((first, rest)), Some((line, after))) => fits(first, line) && is_expected(rest, after),
        _ => false,
    }
}

fn fits(expected: &str, line: &str) -> bool {
    let Some((start, rest)) = expected.split_once('…') else { return expected.trim_end() == line.trim_end() };
    let Some(line) = line.strip_prefix(start) else { return false };
    let mut places = line.char_indices().map(|(at, _)| at).chain([line.len()]);
    places.any(|at| line.get(at..).is_some_and(|after| fits(rest, after)))
}

impl Page {
    /// Reads the text of a page.
    #[must_use]
    pub fn parse(path: &str, text: &str) -> Self {
        let mut page = Self { path: path.to_owned(), ..Self::default() };
        let line_of = |range: &Range<usize>| text.get(..range.start).unwrap_or(text).matches('\n').count() + 1;
        let (mut block, mut heading) = (None::<Block>, None::<String>);
        let (mut comment, mut seen) = (None::<(usize, String)>, BTreeMap::new());
        for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
            let line = line_of(&range);
            match event {
                Event::Start(Tag::CodeBlock(kind)) => {
                    let words = match &kind {
                        CodeBlockKind::Fenced(info) => info.split([' ', ',']).filter(|word| !word.is_empty()).collect(),
                        CodeBlockKind::Indented => vec![],
                    };
                    let words = words.into_iter().map(str::to_owned).collect();
                    let not_run = comment.take().filter(|(end, _)| end + 1 == line).map(|(_, reason)| reason);
                    block = Some(Block { line, words, text: String::new(), not_run });
                }
                Event::End(TagEnd::CodeBlock) => page.blocks.extend(block.take()),
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    page.anchors.extend(heading.take().map(|text| unique(anchor(&text), &mut seen)));
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push((line, dest_url.into_string()));
                }
                Event::Text(said) | Event::Code(said) => {
                    if let Some(text) = block.as_mut().map(|block| &mut block.text).or(heading.as_mut()) {
                        text.push_str(&said);
                    }
                }
                Event::Html(html) | Event::InlineHtml(html) => {
                    let reason = html.trim().strip_prefix("<!-- not run:").and_then(|rest| rest.strip_suffix("-->"));
                    comment = reason.map(|reason| (line, reason.trim().to_owned())).or(comment);
                    page.anchors.extend([" id=\"", " name=\""].iter().flat_map(|name| values(&html, name)));
                    let targets = [" href=\"", " src=\""].iter().flat_map(|name| values(&html, name));
                    page.links.extend(targets.map(|target| (line, target)));
                }
                _ => {}
            }
        }
        page
    }

    /// The blocks that are checked: all but those that a comment leaves out.
    pub fn checked(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter().filter(|block| block.not_run.is_none())
    }

    /// The path as a name in Rust.
    #[must_use]
    pub fn name(&self) -> String {
        let name = self.path.trim_end_matches(".md").to_lowercase();
        name.chars().map(|sign| if sign.is_ascii_alphanumeric() { sign } else { '_' }).collect()
    }
}

/// The values of an attribute.
fn values(html: &str, attribute: &str) -> Vec<String> {
    html.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

/// The anchor of a heading, as GitHub and mdbook make it.
fn anchor(heading: &str) -> String {
    let signs = heading.trim().chars().filter_map(|sign| match sign {
        sign if sign.is_whitespace() => Some('-'),
        sign if sign.is_alphanumeric() || "-_".contains(sign) => Some(sign),
        _ => None,
    });
    signs.flat_map(char::to_lowercase).collect()
}

/// The second heading of a name gets a number.
fn unique(anchor: String, seen: &mut BTreeMap<String, usize>) -> String {
    let times = seen.entry(anchor.clone()).or_default();
    *times += 1;
    if *times == 1 { anchor } else { format!("{anchor}-{}", *times - 1) }
}

/// The repository's root.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Reads every page: the README, docs/, and the READMEs of crates and examples.
///
/// # Errors
///
/// Fails if a folder or a page cannot be read.
pub fn all() -> io::Result<Vec<Page>> {
    let root = root();
    let mut files = vec![root.join("README.md")];
    markdown(&root.join("docs"), &mut files)?;
    for folder in ["crates", "examples"] {
        for member in root.join(folder).read_dir()? {
            files.push(member?.path().join("README.md"));
        }
    }
    files.retain(|file| file.is_file());
    files.sort();
    let read = files.iter().map(|file| {
        let path = file.strip_prefix(&root).unwrap_or(file).display().to_string();
        Ok(Page::parse(&path, &std::fs::read_to_string(file)?))
    });
    read.collect()
}

fn markdown(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in folder.read_dir()? {
        let path = entry?.path();
        if path.is_dir() {
            markdown(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
    Ok(())
}
