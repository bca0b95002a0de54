//! Makes a doctest of every block of Rust in the pages, and a test of every page that has something to run.

use std::fmt::Write;
use std::path::PathBuf;

#[path = "src/page.rs"]
#[expect(dead_code, unreachable_pub, reason = "the tests use all of it")]
mod page;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut doctests, mut tests, mut names) = (String::new(), String::new(), String::new());
    let pages = page::all()?;
    for page in &pages {
        for block in page.checked().filter(|block| block.language() == "rust") {
            let text = format!("```{}\n{}```", block.words.join(","), block.text);
            writeln!(doctests, "#[doc = {text:?}]\npub mod {}_line_{} {{}}", page.name(), block.line)?;
        }
        if page.checked().any(page::Block::runs) {
            let (name, path, file) = (page.name(), &page.path, page::root().join(&page.path));
            writeln!(tests, "#[test]\nfn {name}() {{\n    super::run({path:?}, include_str!({file:?}));\n}}")?;
            writeln!(names, "    {:?},", page.path)?;
        }
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo names a folder")?);
    std::fs::write(out.join("doctests.rs"), doctests)?;
    std::fs::write(out.join("pages.rs"), format!("{tests}pub(super) const PAGES: &[&str] = &[\n{names}];\n"))?;
    // The folder too, so that a new page is noticed.
    println!("cargo::rerun-if-changed={}", page::root().join("docs").display());
    for page in &pages {
        println!("cargo::rerun-if-changed={}", page::root().join(&page.path).display());
    }
    Ok(())
}
