//! The reader of pages: what it finds must be all that is there.

use doorward_docs::page::{Block, Command, Page, is_expected};

const PAGE: &str = "\
# A page

<!-- not run: it takes hours -->
```console
$ sleep 9999
```

1. In a list:

   ```console server
   $ serve \\
       --now
   ```

<!-- a remark -->

```rust no_run
fn main() {}
```
<!-- not run: too far away -->

```toml
a = 1
```
~~~
plain
~~~

[a](b.md#c) ![d](e.webp) <a id=\"own\" href=\"f.md\"></a>

## A page
## **Bold**, `code` & more
";

#[test]
fn blocks_are_found_with_their_words() {
    let page = Page::parse("docs/a_b/C-d.md", PAGE);
    let blocks = page.blocks.iter().map(|block| (block.line, block.words.join(" "), block.not_run.as_deref()));
    let expected = [
        (4, "console", Some("it takes hours")),
        (10, "console server", None),
        (17, "rust no_run", None),
        (22, "toml", None),
        (25, "", None),
    ];
    assert!(blocks.eq(expected.map(|(line, words, reason)| (line, words.to_owned(), reason))), "{:#?}", page.blocks);
    assert_eq!(page.name(), "docs_a_b_c_d");
    assert_eq!(page.checked().count(), 4);
}

#[test]
fn a_comment_without_a_reason_is_seen() {
    let page = Page::parse("a.md", "<!-- not run: -->\n```console\n$ true\n```\n");
    assert_eq!(page.blocks.first().unwrap().not_run.as_deref(), Some(""));
}

#[test]
fn links_and_anchors_are_found() {
    let page = Page::parse("a.md", PAGE);
    let links = page.links.iter().map(|(line, link)| (*line, link.as_str()));
    assert!(links.eq([(29, "b.md#c"), (29, "e.webp"), (29, "f.md")]), "{:?}", page.links);
    assert_eq!(page.anchors, ["a-page", "own", "a-page-1", "bold-code--more"]);
}

fn commands(text: &str) -> Result<Vec<Command>, String> {
    Block { line: 10, text: text.to_owned(), ..Block::default() }.commands()
}

#[test]
fn commands_go_on_and_print() {
    let read = commands("$ a \\\n    b\n1\n2\n$ cat > f <<'EOF'\n$ x\ny \\\nEOF\n$ c <<< d\n").unwrap();
    let expected = [
        Command { line: 11, text: "a \\\n    b".to_owned(), expected: vec!["1".to_owned(), "2".to_owned()] },
        Command { line: 15, text: "cat > f <<'EOF'\n$ x\ny \\\nEOF".to_owned(), expected: vec![] },
        Command { line: 19, text: "c <<< d".to_owned(), expected: vec![] },
    ];
    assert_eq!(read, expected);
    for broken in ["a\n", "$ a \\\n", "$ cat <<EOF\nx\n"] {
        assert!(commands(broken).is_err(), "{broken}");
    }
}

#[test]
fn output_is_compared_as_printed() {
    let fits = |expected: &[&str], lines: &[&str]| is_expected(expected, lines);
    assert!(fits(&["a"], &["a"]));
    assert!(fits(&["a…c…"], &["abbc"]));
    assert!(fits(&["a", "…", "z"], &["a", "z"]));
    assert!(fits(&["a", "…", "z"], &["a", "b", "c", "z"]));
    assert!(fits(&["…"], &[]));
    assert!(!fits(&["a"], &["a", "b"]));
    assert!(!fits(&["a", "b"], &["a"]));
    assert!(!fits(&["a…c"], &["abcd"]));
    assert!(!fits(&[], &["a"]));
    assert!(!fits(&["…", "z"], &["a"]));
}
