//! `cargo xtask book`: the pages of docs/ as one book, with search.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::shell;

/// The version of mdbook that docs/book.toml was written for.
const MDBOOK: &str = "0.5.4";

/// The folder that docs/book.toml builds the book into.
const BOOK: &str = "target/book";

/// Builds the book and fails if a link is broken.
pub(crate) fn build() -> anyhow::Result<()> {
    let mdbook = shell::tool("mdbook", MDBOOK, &["--no-default-features", "--features", "search"])?;
    shell::run(&mdbook.display().to_string(), &["build", "docs"], &[])?;
    let book = shell::root().join(BOOK);
    let (pages, outside, broken) = check_links(&book)?;
    if !broken.is_empty() {
        bail!("these links of the book lead nowhere:\n{}", Vec::from_iter(broken).join("\n"));
    }
    shell::say(&format!("{pages} pages are in {BOOK}; {} links lead to files of the repository", outside.len()));
    Ok(())
}

/// Returns the number of pages, the links that leave the book, and the links that lead nowhere.
fn check_links(book: &Path) -> anyhow::Result<(usize, BTreeSet<String>, BTreeSet<String>)> {
    let (mut outside, mut broken) = (BTreeSet::new(), BTreeSet::new());
    let pages = pages(book)?;
    for page in &pages {
        let html = std::fs::read_to_string(page)?;
        let name = page.strip_prefix(book)?.display();
        for link in links(&html).filter(|link| !link.contains(':') && !link.starts_with('#') && !link.is_empty()) {
            let path = link.split(['#', '?']).next().unwrap_or(link);
            let target = page.parent().context("a page is in a folder")?.join(path);
            if target.exists() {
                continue;
            }
            // The pages of docs/ link to code beside docs/. The docs test checks these links.
            let leaves = normal(&target).is_none_or(|target| !target.starts_with(book));
            if leaves { &mut outside } else { &mut broken }.insert(format!("{name}: {link}"));
        }
    }
    Ok((pages.len(), outside, broken))
}

/// Returns the pages that people read: without `print.html`, which repeats them, and mdbook's `toc.html` and
/// `404.html`.
fn pages(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut pages = Vec::new();
    for entry in folder.read_dir().with_context(|| format!("{} is not there", folder.display()))? {
        let path = entry?.path();
        let is_own = ["print.html", "toc.html", "404.html"].iter().all(|name| !path.ends_with(name));
        if path.is_dir() {
            pages.extend(self::pages(&path)?);
        } else if is_own && path.extension().is_some_and(|extension| extension == "html") {
            pages.push(path);
        }
    }
    Ok(pages)
}

/// Returns the targets of links and pictures.
fn links(html: &str) -> impl Iterator<Item = &str> {
    let starts = [" href=\"", " src=\""].into_iter().flat_map(|attribute| html.split(attribute).skip(1));
    starts.filter_map(|rest| rest.split('"').next())
}

/// Returns the path without `..`, or `None` if it leads above the root.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => normal.pop().then_some(())?,
            part => normal.push(part),
        }
    }
    Some(normal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_a_page_are_found() {
        let html = r#"<a href="a.html#b">x</a><img src="p.webp" alt=""><link rel="icon" href="f.svg">"#;
        assert_eq!(Vec::from_iter(links(html)), ["a.html#b", "f.svg", "p.webp"]);
    }

    #[test]
    fn broken_links_are_told_from_those_that_leave() {
        let book = tempfile::tempdir().unwrap();
        let page = r##"<a href="b.html#x"> <a href="c.html"> <a href="../../crates/x.rs"> <a href="https://a.b"> <a href="#y">"##;
        std::fs::write(book.path().join("a.html"), page).unwrap();
        std::fs::write(book.path().join("b.html"), "").unwrap();
        let (pages, outside, broken) = check_links(book.path()).unwrap();
        assert_eq!(pages, 2);
        assert_eq!(Vec::from_iter(outside), ["a.html: ../../crates/x.rs"]);
        assert_eq!(Vec::from_iter(broken), ["a.html: c.html"]);
    }

    #[test]
    fn paths_are_made_normal() {
        assert_eq!(normal(Path::new("/a/b/../c")), Some(PathBuf::from("/a/c")));
        assert_eq!(normal(Path::new("a/../../c")), None);
    }
}
