//! The content of a report: the texts that GitHub found.

use std::fmt;

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::ReportError;

/// The maximum number of tokens in a report, so that a report has a bounded cost.
pub const MAX_TOKENS: usize = 1_000;

/// A text that GitHub found in a public place. Consider it public, even if the report is new.
///
/// The text is erased from memory when the value is dropped, and is not in the `Debug` output.
#[derive(Clone)]
#[non_exhaustive]
pub struct ReportedToken {
    /// The text that has the form of a key.
    pub token: Zeroizing<String>,
    /// The name that the service gave to the form of its keys when it joined the program.
    pub kind: String,
    /// The URL of the place, if GitHub tells it.
    pub url: Option<String>,
    /// The kind of place, such as `commit` or `issue_comment`, if GitHub tells it.
    pub source: Option<String>,
}

impl ReportedToken {
    /// Creates a token without a place, for the tests of callers.
    #[must_use]
    pub fn new(token: impl Into<Zeroizing<String>>, kind: String) -> Self {
        Self { token: token.into(), kind, url: None, source: None }
    }

    /// Reads a body. The caller has verified its signature.
    pub(crate) fn all_in(body: &[u8]) -> Result<Vec<Self>, ReportError> {
        let entries: Vec<Entry> = serde_json::from_slice(body)
            .map_err(|error| ReportError::MalformedBody { line: error.line(), column: error.column() })?;
        if entries.len() > MAX_TOKENS {
            return Err(ReportError::TooManyTokens);
        }
        Ok(entries.into_iter().map(Self::from).collect())
    }
}

impl fmt::Debug for ReportedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReportedToken")
            .field("kind", &self.kind)
            .field("url", &self.url)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// An element of the body. GitHub may add members.
#[derive(Deserialize)]
struct Entry {
    token: Zeroizing<String>,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    source: Option<String>,
}

impl From<Entry> for ReportedToken {
    fn from(entry: Entry) -> Self {
        // An empty text tells as little as a missing member.
        let told = |text: Option<String>| text.filter(|text| !text.is_empty());
        Self { token: entry.token, kind: entry.kind, url: told(entry.url), source: told(entry.source) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Vec<ReportedToken>, ReportError> {
        ReportedToken::all_in(body.as_bytes())
    }

    fn places(token: &ReportedToken) -> [Option<&str>; 2] {
        [token.url.as_deref(), token.source.as_deref()]
    }

    #[test]
    fn a_missing_or_empty_place_is_none_and_unknown_members_are_ignored() {
        let body = r#"[
            {"token":"a","type":"t","url":"https://github.com/x","source":"commit","added_later":{"b":[]}},
            {"token":"b","type":"t"},
            {"token":"c","type":"t","url":"","source":""},
            {"token":"d","type":"t","url":null,"source":null}
        ]"#;
        let tokens = read(body).unwrap();
        let texts: Vec<_> = tokens.iter().map(|token| (token.token.as_str(), token.kind.as_str())).collect();
        assert_eq!(texts, [("a", "t"), ("b", "t"), ("c", "t"), ("d", "t")]);
        let places: Vec<_> = tokens.iter().map(places).collect();
        assert_eq!(places, [[Some("https://github.com/x"), Some("commit")], [None; 2], [None; 2], [None; 2]]);
    }

    #[test]
    fn a_body_of_another_form_is_refused_and_not_quoted() {
        for bad in [
            "",
            " ",
            "null",
            "{}",
            "quoted",
            r#""quoted""#,
            r#"{"token":"quoted","type":"t"}"#,
            r#"["quoted"]"#,
            "[null]",
            r#"[{"token":"quoted"}]"#,
            r#"[{"type":"quoted"}]"#,
            r#"[{"token":1,"type":"quoted"}]"#,
            r#"[{"token":"quoted","type":["quoted"]}]"#,
            r#"[{"token":"quoted","type":"t","url":1}]"#,
            r#"[{"token":"quoted","token":"quoted","type":"t"}]"#,
            r#"[{"token":"quoted","type":"t"},]"#,
            r#"[{"token":"quoted","type":"t"}"#,
            r#"[{"token":"quoted","type":"t"}]quoted"#,
            r#"[{"token":"quo\ud800ted","type":"t"}]"#,
        ] {
            let error = read(bad).unwrap_err();
            assert!(matches!(error, ReportError::MalformedBody { .. }), "{bad}: {error}");
            assert!(!format!("{error} {error:?}").contains("quoted"), "{error:?}");
        }
        let not_utf8 = ReportedToken::all_in(b"[{\"token\":\"\xff\",\"type\":\"t\"}]");
        assert!(matches!(not_utf8, Err(ReportError::MalformedBody { line: 1, .. })));
    }

    #[test]
    fn the_number_of_tokens_is_limited() {
        let of = |count: usize| format!("[{}]", vec![r#"{"token":"a","type":"t"}"#; count].join(","));
        assert_eq!(read(&of(0)).unwrap().len(), 0);
        assert_eq!(read(&of(MAX_TOKENS)).unwrap().len(), MAX_TOKENS);
        assert!(matches!(read(&of(MAX_TOKENS + 1)), Err(ReportError::TooManyTokens)));
    }

    #[test]
    fn debug_output_has_no_token() {
        let token = ReportedToken::new("key_secret".to_owned(), "my_type".to_owned());
        let shown = format!("{token:?} {token:#?}");
        assert!(shown.contains("my_type") && !shown.contains("secret"), "{shown}");
    }
}
