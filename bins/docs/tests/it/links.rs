//! Every link leads somewhere. Links to other sites are not followed: the tests reach no other site.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use doorward_docs::page::{self, Page};
use http::Uri;

#[test]
fn links_lead_somewhere() {
    let pages: BTreeMap<_, _> = page::all().unwrap().into_iter().map(|page| (page.path.clone(), page)).collect();
    let links = pages.values().flat_map(|page| page.links.iter().map(move |(line, link)| (page, line, link)));
    let faults = links.filter_map(|(page, line, link)| {
        let why = fault(&pages, page, link)?;
        Some(format!("{}:{line}: {link}: {why}", page.path))
    });
    let faults = Vec::from_iter(faults);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_page_of_docs_is_in_the_book() {
    let pages = page::all().unwrap();
    let summary =
        pages.iter().find(|page| page.path == "docs/SUMMARY.md").expect("docs/SUMMARY.md lists the book's pages");
    for page in pages.iter().filter(|page| page.path.starts_with("docs/") && page.path != summary.path) {
        let is_listed = summary.links.iter().any(|(_, link)| Some(link.as_str()) == page.path.strip_prefix("docs/"));
        assert!(is_listed, "{} is not in docs/SUMMARY.md", page.path);
    }
}

/// The reason why a link is broken.
fn fault(pages: &BTreeMap<String, Page>, page: &Page, link: &str) -> Option<String> {
    if let Some((scheme, rest)) = link.split_once(':') {
        let is_whole = match scheme {
            "https" | "http" => link.parse::<Uri>().is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty())),
            "mailto" => rest.contains('@'),
            _ => false,
        };
        return (!is_whole).then(|| "it is not a URL".to_owned());
    }
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
    let target = if path.is_empty() { page.path.clone() } else { resolve(&page.path, path)? };
    if !pages.contains_key(&target) && !page::root().join(&target).exists() {
        return Some("there is no such file".to_owned());
    }
    let anchor = anchor?;
    match pages.get(&target) {
        Some(page) if page.anchors.iter().any(|known| known == anchor) => None,
        Some(page) => Some(format!("{} has only the anchors {:?}", page.path, page.anchors)),
        None => Some("only pages have anchors".to_owned()),
    }
}

/// The path from the root of a link on a page.
fn resolve(page: &str, link: &str) -> Option<String> {
    let mut path = Path::new(page).parent()?.to_owned();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir if path.pop() => {}
            Component::ParentDir => path = PathBuf::from("outside of the repository"),
            part => path.push(part),
        }
    }
    Some(path.display().to_string())
}

#[test]
fn broken_links_are_found() {
    let page = Page::parse("docs/a.md", "# One `two`!\n");
    let pages = BTreeMap::from([(page.path.clone(), page)]);
    let page = pages.get("docs/a.md").unwrap();
    for good in
        ["#one-two", "../README.md", "a.md#one-two", "../crates", "https://example.com/a#b", "mailto:a@b.example"]
    {
        assert_eq!(fault(&pages, page, good), None, "{good}");
    }
    for broken in ["#two", "../http-api.md", "b.md", "../../x", "../README.md#x", "https:///a", "file:a", "ftp://a"] {
        assert!(fault(&pages, page, broken).is_some(), "{broken}");
    }
}
