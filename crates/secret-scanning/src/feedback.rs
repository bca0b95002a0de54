//! The answer to a report, which tells GitHub which of the found texts are keys.

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::ReportedToken;

/// The judgement of a reported token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Label {
    /// The text is not a key.
    FalsePositive,
    /// The text is a key of this service, or was one.
    TruePositive,
}

impl Label {
    const fn as_str(self) -> &'static str {
        match self {
            Self::FalsePositive => "false_positive",
            Self::TruePositive => "true_positive",
        }
    }
}

/// Returns the body of the answer to a report: a JSON array with the SHA-256 of each token, its type and its label.
///
/// The answer contains no token, so that logs of answers have nothing to hide. The hash is in lowercase hexadecimal digits.
/// GitHub's documentation demands SHA-256, and names no encoding.
///
/// ```
/// use doorward_secret_scanning::{Label, ReportedToken, feedback};
///
/// let token = ReportedToken::new("some_token".to_owned(), "some_type".to_owned());
/// let answer = feedback([(&token, Label::FalsePositive)]);
/// assert!(answer.contains(r#""label":"false_positive""#) && !answer.contains("some_token"));
/// ```
#[must_use]
pub fn feedback<'a>(judged: impl IntoIterator<Item = (&'a ReportedToken, Label)>) -> String {
    let entry = |(token, label): (&ReportedToken, Label)| json!({ "token_hash": sha256_of(&token.token), "token_type": &token.kind, "label": label.as_str() });
    Value::Array(judged.into_iter().map(entry).collect()).to_string()
}

/// Returns the SHA-256 of a text in lowercase hexadecimal digits.
fn sha256_of(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feedback_has_the_documented_members_and_no_token() {
        let token = |text: &str| ReportedToken::new(text.to_owned(), "my \"type\"".to_owned());
        let (abc, empty) = (token("abc"), token(""));
        let answer = feedback([(&abc, Label::TruePositive), (&empty, Label::FalsePositive)]);
        // The hashes of "abc" and of the empty text: NIST's example values of SHA-256.
        let expected = json!([
            {
                "token_hash": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                "token_type": "my \"type\"",
                "label": "true_positive",
            },
            {
                "token_hash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "token_type": "my \"type\"",
                "label": "false_positive",
            },
        ]);
        assert_eq!(serde_json::from_str::<Value>(&answer).unwrap(), expected);
        assert!(!answer.contains("abc"), "{answer}");
    }

    #[test]
    fn feedback_on_nothing_is_an_empty_array() {
        assert_eq!(feedback([]), "[]");
    }
}
