//! Finds circles of files inside a crate: files that need each other.
//!
//! An arrow goes from a file that names an item to the file that defines the item. A path through a re-export leads to the
//! definition, so `mod child;` and `pub use child::Item;` alone are no arrows. Tests are ignored. The files are read as words,
//! without a grammar, so the output of macros is not seen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A module's path below the crate's root, which has the empty path.
type Module = Vec<String>;

/// The files of a crate.
type Files = BTreeMap<Module, File>;

/// The parsed content of a file.
#[derive(Default)]
struct File {
    imports: Vec<Import>,
    /// Paths in the code.
    paths: Vec<Vec<String>>,
    /// Names of the items that the file defines.
    defined: BTreeSet<String>,
    /// Words of the code.
    words: BTreeSet<String>,
    /// Modules that exist only for tests.
    tests: Vec<String>,
}

struct Import {
    path: Vec<String>,
    /// `*` for a glob import.
    name: String,
    is_public: bool,
}

/// Words before the name of a defined item.
const DEFINE: [&str; 9] = ["const", "enum", "fn", "mod", "static", "struct", "trait", "type", "union"];

/// The maximum number of re-exports that are followed.
const DEPTH: usize = 8;

/// Returns the circles of a crate, each as a set of modules.
pub(crate) fn find(source: &Path) -> anyhow::Result<BTreeSet<BTreeSet<String>>> {
    let mut files = Files::new();
    read(source, &mut vec![], &mut files)?;
    let of_tests = files.iter().flat_map(|(module, file)| file.tests.iter().map(|test| below(module, test)));
    let tests: Vec<Module> = of_tests.collect();
    files.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
    let arrows: BTreeMap<_, _> = files.iter().map(|(module, file)| (module, arrows(module, file, &files))).collect();
    let reached: BTreeMap<_, _> = files.keys().map(|module| (module, reached(module, &arrows))).collect();
    let leads = |from: &Module, to: &Module| reached.get(from).is_some_and(|reached| reached.contains(to));
    let circle = |one| files.keys().filter(move |other| leads(one, other) && leads(other, one));
    Ok(files
        .keys()
        .map(|module| circle(module).map(title).collect())
        .filter(|all: &BTreeSet<_>| all.len() > 1)
        .collect())
}

fn reached<'a>(from: &'a Module, arrows: &'a BTreeMap<&Module, BTreeSet<Module>>) -> BTreeSet<&'a Module> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(module) = open.pop() {
        open.extend(arrows.get(module).into_iter().flatten().filter(|to| seen.insert(*to)));
    }
    seen
}

fn title(module: &Module) -> String {
    if module.is_empty() { "the root".into() } else { module.join("::") }
}

fn below(module: &[String], child: &str) -> Module {
    [module, &[child.to_owned()]].concat()
}

fn read(folder: &Path, module: &mut Module, files: &mut Files) -> anyhow::Result<()> {
    let has_library = folder.join("lib.rs").is_file();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?.path();
        let name = entry.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if entry.is_dir() {
            module.push(name);
            read(&entry, module, files)?;
            module.pop();
        } else if entry.extension().is_some_and(|extension| extension == "rs") && !(has_library && name == "main") {
            let own = if ["lib", "main", "mod"].contains(&&*name) { module.clone() } else { below(module, &name) };
            files.insert(own, parse(&tokens(&std::fs::read_to_string(entry)?)));
        }
    }
    Ok(())
}

/// Splits the text into words, `::` and single characters, without comments and string literals.
fn tokens(mut text: &str) -> Vec<&str> {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut tokens = Vec::new();
    while let Some(first) = text.chars().next() {
        let is_skipped = text.starts_with("//") || first == '"' || first.is_whitespace();
        let length = if text.starts_with("//") {
            text.find('\n').unwrap_or(text.len())
        } else if text.starts_with("r#\"") {
            text.find("\"#").map_or(text.len(), |end| end + 2)
        } else if first == '"' {
            let mut is_escaped = true;
            let end = text.find(|letter| {
                let ends = letter == '"' && !is_escaped;
                is_escaped = letter == '\\' && !is_escaped;
                ends
            });
            end.map_or(text.len(), |end| end + 1)
        } else if text.starts_with("'\"'") {
            3
        } else if is_word(first) {
            text.find(|letter| !is_word(letter)).unwrap_or(text.len())
        } else if text.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (token, rest) = text.split_at(length);
        tokens.extend((!is_skipped).then_some(token));
        text = rest;
    }
    tokens
}

fn parse<'a>(mut rest: &'a [&'a str]) -> File {
    let (mut file, mut last) = (File::default(), "");
    while let [first, after @ ..] = rest {
        let mut next = after;
        if let ["#", "[", "cfg", "(", "test", ")", "]", item @ ..]
        | ["#", "[", "cfg", "(", "all", "(", "test", ",", _, ")", ")", "]", item @ ..] = rest
        {
            file.tests.extend(if let ["mod", name, ";", ..] = item { Some((*name).to_owned()) } else { None });
            next = behind_item(item);
        } else if *first == "use" && after.first() != Some(&"<") {
            let mut paths = Vec::new();
            next = tree(after, &[], &mut paths);
            let is_public = ["pub", ")"].contains(&last);
            file.imports.extend(paths.into_iter().filter_map(|(path, name)| {
                let name = name.or_else(|| path.last().cloned())?;
                let path = path.into_iter().filter(|word| word != "*").collect();
                Some(Import { path, name, is_public })
            }));
        } else {
            if after.first() == Some(&"::") && last != "::" {
                let mut paths = Vec::new();
                tree(rest, &[], &mut paths);
                file.paths.extend(paths.into_iter().map(|(path, _)| path));
            }
            if DEFINE.contains(&last) {
                file.defined.insert((*first).to_owned());
            } else {
                file.words.insert((*first).to_owned());
            }
        }
        last = first;
        rest = next;
    }
    file
}

/// Returns the text after an item: after its `;`, or after its closing brace.
fn behind_item<'a>(mut rest: &'a [&'a str]) -> &'a [&'a str] {
    let mut depth = 0;
    while let [first, after @ ..] = rest {
        rest = after;
        match *first {
            "{" | "[" | "(" => depth += 1,
            "}" | "]" | ")" => depth -= 1,
            _ => {}
        }
        if depth == 0 && [";", "}"].contains(first) {
            break;
        }
    }
    rest
}

/// Reads `a::{b, c::D as E}` as `a::b` and as `a::c::D` with the name `E`. Returns the rest of the text.
fn tree<'a>(
    mut rest: &'a [&'a str],
    before: &[String],
    paths: &mut Vec<(Vec<String>, Option<String>)>,
) -> &'a [&'a str] {
    let mut path = before.to_vec();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == "{" {
            while let Some(first) = rest.first()
                && *first != "}"
            {
                rest = tree(rest, &path, paths);
                rest = rest.strip_prefix(&[","]).unwrap_or(rest);
            }
            return rest.strip_prefix(&["}"]).unwrap_or(rest);
        }
        // `a::b::{self}` is `a::b`.
        if *first != "self" || path.is_empty() {
            path.push((*first).to_owned());
        }
        match rest {
            ["::", after @ ..] if after.first() != Some(&"<") => rest = after,
            ["as", name, after @ ..] => {
                paths.push((path, Some((*name).to_owned())));
                return after;
            }
            _ => break,
        }
    }
    paths.push((path, None));
    rest
}

/// Returns the files that a file needs.
fn arrows(own: &Module, file: &File, files: &Files) -> BTreeSet<Module> {
    let used = file.imports.iter().filter(|import| !import.is_public || file.words.contains(&import.name));
    let paths = used.map(|import| &import.path).chain(&file.paths);
    let needed = paths.filter_map(|path| resolve(&absolute(path, own, files)?, files, DEPTH));
    needed.filter(|module| module != own).collect()
}

/// Returns a path from the crate's root, or `None` if it leads into another crate.
fn absolute(path: &[String], own: &[String], files: &Files) -> Option<Vec<String>> {
    let (first, rest) = path.split_first()?;
    match &**first {
        "crate" => Some(rest.to_vec()),
        "self" => Some([own, rest].concat()),
        "super" => {
            let (_, parent) = own.split_last()?;
            let is_above = rest.first().is_some_and(|next| next == "super");
            if is_above { absolute(rest, parent, files) } else { Some([parent, rest].concat()) }
        }
        _ => files.contains_key(&below(own, first)).then(|| [own, path].concat()),
    }
}

/// Returns the file that defines an item.
fn resolve(path: &[String], files: &Files, depth: usize) -> Option<Module> {
    let length =
        (0..=path.len()).rev().find(|length| path.get(..*length).is_some_and(|module| files.contains_key(module)))?;
    let (module, rest) = path.split_at_checked(length)?;
    let file = files.get(module)?;
    let Some(name) = rest.first().filter(|name| !file.defined.contains(*name)) else { return Some(module.to_vec()) };
    let depth = depth.checked_sub(1)?;
    let follow = |import: &Import, rest: &[String]| {
        resolve(&[absolute(&import.path, module, files)?, rest.to_vec()].concat(), files, depth)
    };
    if let Some(import) = file.imports.iter().find(|import| import.name == *name) {
        return follow(import, rest.get(1..)?);
    }
    let globs = file.imports.iter().filter(|import| import.name == "*");
    let defines = |module: &Module| files.get(module).is_some_and(|file| file.defined.contains(name));
    globs.filter_map(|glob| follow(glob, rest)).find(defines).or_else(|| Some(module.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        find(folder.path()).unwrap().into_iter().map(Vec::from_iter).collect()
    }

    #[test]
    fn a_circle_is_seen_through_re_exports_groups_and_expressions() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\nmod c;\npub use b::{B, Other as Renamed};"),
            ("a/mod.rs", "use crate::{\n    Renamed,\n    c::{self},\n};"),
            (
                "b.rs",
                "pub struct B;\npub struct Other(u8);\nfn f(text: &str) { crate::c::g(\"// \\\" use super::*;\") }",
            ),
            ("c.rs", "pub fn g(_: &str) { super::a::h() }"),
        ];
        assert_eq!(circles(&files), [["a", "b", "c"]]);
    }

    #[test]
    fn a_childs_use_of_its_parent_is_an_arrow_and_a_re_export_is_not() {
        let parent = "mod a;\npub use self::a::A;\npub struct Root;\n";
        let child = ("a/mod.rs", "use super::Root;\npub struct A(Root);");
        assert_eq!(circles(&[("lib.rs", parent), child]), Vec::<Vec<String>>::new());
        assert_eq!(circles(&[("lib.rs", &format!("{parent}type B = A;")), child]), [["a", "the root"]]);
    }

    #[test]
    fn tests_and_comments_make_no_circle() {
        let files = [
            ("lib.rs", "mod b;\nmod c;\n#[cfg(test)]\nmod tests;"),
            (
                "b.rs",
                "// use crate::c::C;\npub struct B;\n#[cfg(test)]\nmod tests {\n    use crate::c::C;\n}\n\
                      #[cfg(all(test, unix))]\nmod unix {\n    use crate::c::C;\n}",
            ),
            ("c.rs", "use crate::b::B;\n#[cfg(test)]\nuse crate::tests::T;\npub struct C(B);"),
            ("tests.rs", "use crate::c::C;"),
        ];
        assert_eq!(circles(&files), Vec::<Vec<String>>::new());
    }
}
