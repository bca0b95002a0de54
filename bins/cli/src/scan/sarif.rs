//! The findings in SARIF 2.1.0 (OASIS), which GitHub's code scanning and others take.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::document::{Document, Row};
use super::lines;

/// Returns the document.
pub(super) fn of(document: &Document) -> Value {
    let results: Vec<_> = document.findings.iter().map(result).collect();
    let notifications: Vec<_> = document
        .unread
        .iter()
        .map(|unread| json!({ "level": "error", "message": { "text": format!("{}: {}", unread.file, unread.fault) } }))
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "doorward",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": [
                    rule("access_key", "An access key in a text", "Regenerate a production key, or delete a test key: `doorward key regenerate --leaked`."),
                    rule("operator_token", "A token of an operator in a text", "Remove the operator and add it again: `doorward operator delete`."),
                ],
            } },
            "invocations": [{ "executionSuccessful": document.unread.is_empty(), "toolExecutionNotifications": notifications }],
            "results": results,
        }],
    })
}

fn rule(id: &str, short: &str, help: &str) -> Value {
    json!({
        "id": id,
        "shortDescription": { "text": short },
        "help": { "text": help },
        "defaultConfiguration": { "level": "error" },
        "properties": { "tags": ["security"], "security-severity": "9.0" },
    })
}

fn result(row: &Row) -> Value {
    let level = if row.state.is_dangerous() { "error" } else { "note" };
    let within = match (row.members.is_empty(), &row.commit) {
        (true, None) => String::new(),
        _ => format!(" ({}:{})", row.place, row.line),
    };
    // A line within an archive is none of the file.
    let line = if row.members.is_empty() { row.line.max(1) } else { 1 };
    json!({
        "ruleId": row.kind,
        "ruleIndex": usize::from(row.kind == "operator_token"),
        "level": level,
        "message": { "text": format!("{}{within}", lines::said(row)) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(&row.file) },
            "region": { "startLine": line },
        } }],
        "partialFingerprints": { "locator/v1": row.locator },
        "properties": { "state": row.state, "commit": row.commit },
    })
}

/// The characters of a path that stand for themselves in a URL.
const IN_A_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Returns the path as a reference within a URL: relative if the path is.
fn uri(path: &str) -> String {
    let scheme = if path.starts_with('/') { "file://" } else { "" };
    format!("{scheme}{}", utf8_percent_encode(path.strip_prefix("./").unwrap_or(path), IN_A_PATH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_reference() {
        for (path, expected) in [
            ("./src/a b.rs", "src/a%20b.rs"),
            ("/etc/x:y", "file:///etc/x%3Ay"),
            ("ключ", "%D0%BA%D0%BB%D1%8E%D1%87"),
            ("-", "-"),
        ] {
            assert_eq!(uri(path), expected);
        }
    }
}
