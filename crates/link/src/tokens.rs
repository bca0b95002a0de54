//! Checks tokens before they are stored.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

/// The maximum size of a token endpoint's answer, and of a token. Tokens with claims have a few kilobytes.
const MAX_ANSWER: usize = 16 * 1024;
const MAX_TOKEN: usize = 8 * 1024;

/// The token types that are sent as `Authorization: Bearer` (RFC 6749, section 7.1, forbids other types). Slack calls the bearer
/// tokens of its bots `bot`.
const BEARER: [&str; 2] = ["bearer", "bot"];

/// The tokens from a token endpoint. The type has no `Debug` or `Display`.
#[derive(Deserialize, Serialize)]
pub struct Tokens {
    pub(crate) access_token: Zeroizing<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<Zeroizing<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id_token: Option<Zeroizing<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_in: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<String>,
    /// The application that got the tokens; only this application may revoke them. `None` for tokens from a backend or from older
    /// programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) application: Option<String>,
}

impl Tokens {
    /// Returns the ID token, if the third party sent one (OpenID Connect Core 1.0, section 3.1.3.3).
    #[must_use]
    pub fn id_token(&self) -> Option<&str> {
        self.id_token.as_deref().map(String::as_str)
    }

    /// Checks a token endpoint's answer (RFC 6749, sections 5.1 and 5.2). Drops unknown fields.
    pub(crate) fn judge(answer: &[u8]) -> Result<Self, TokenError> {
        if answer.len() > MAX_ANSWER {
            return Err(TokenError::Unusable("it has more than 16384 bytes"));
        }
        let answer: Answer =
            serde_json::from_slice(answer).map_err(|_| TokenError::Unusable("it is not a JSON object"))?;
        // Some third parties send their errors under status 200.
        if let Some(error) = answer.error {
            return Err(TokenError::Refused { error, description: answer.error_description.unwrap_or_default() });
        }
        let access_token = answer.access_token.ok_or(TokenError::Unusable("it has no access token"))?;
        let kind = answer.token_type.as_deref().unwrap_or("bearer");
        if !BEARER.iter().any(|known| kind.eq_ignore_ascii_case(known)) {
            return Err(TokenError::Unusable("its `token_type` is not `bearer`"));
        }
        for token in
            [Some(&access_token), answer.refresh_token.as_ref(), answer.id_token.as_ref()].into_iter().flatten()
        {
            if !is_token(token) {
                return Err(TokenError::Unusable("a token in it is empty, too long, or not allowed in a header"));
            }
        }
        Ok(Self {
            access_token,
            refresh_token: answer.refresh_token,
            id_token: answer.id_token,
            expires_in: answer.expires_in.as_ref().and_then(seconds),
            scope: answer.scope.filter(|scope| scope.bytes().all(|byte| (b' '..=b'~').contains(&byte))),
            application: None,
        })
    }
}

doorward_types::debug_as!(Tokens, "Tokens(…)");

/// Visible ASCII without the space (RFC 6749, appendix A.12).
fn is_token(text: &str) -> bool {
    (1..=MAX_TOKEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Reads a number. Some third parties write it as text.
fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// The raw answer.
#[derive(Deserialize)]
struct Answer {
    access_token: Option<Zeroizing<String>>,
    refresh_token: Option<Zeroizing<String>>,
    id_token: Option<Zeroizing<String>>,
    token_type: Option<String>,
    expires_in: Option<Value>,
    scope: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// The reason why an answer contains no usable tokens.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum TokenError {
    Refused { error: String, description: String },
    Unusable(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_known_fields_of_an_answer_are_kept() {
        let answer =
            br#"{"access_token":"a.b-c","token_type":"Bearer","refresh_token":"r","id_token":"i","expires_in":"60",
                          "scope":"read write","application":"evil","extra":{"deep":[1]}}"#;
        let tokens = Tokens::judge(answer).unwrap();
        let kept = serde_json::to_value(&tokens).unwrap();
        let expected = serde_json::json!({"access_token": "a.b-c", "refresh_token": "r", "id_token": "i",
                                          "expires_in": 60, "scope": "read write"});
        assert_eq!(kept, expected);
        for answer in
            [r#"{"access_token":"a"}"#, r#"{"access_token":"a","token_type":"bot","expires_in":-1,"scope":"ü"}"#]
        {
            let kept = serde_json::to_value(Tokens::judge(answer.as_bytes()).unwrap()).unwrap();
            assert_eq!(kept, serde_json::json!({"access_token": "a"}), "{answer}");
        }
        assert_eq!(format!("{tokens:?}"), "Tokens(…)");
    }

    #[test]
    fn an_unusable_answer_is_refused() {
        let long = format!(r#"{{"access_token":"{}"}}"#, "a".repeat(MAX_TOKEN + 1));
        let huge = format!(r#"{{"access_token":"a","extra":"{}"}}"#, "a".repeat(MAX_ANSWER));
        for answer in [
            "",
            "access_token=a",
            "[]",
            "{}",
            r#"{"access_token":""}"#,
            r#"{"access_token":1}"#,
            r#"{"access_token":"a\r\nX-Injected: 1"}"#,
            r#"{"access_token":"a b"}"#,
            r#"{"access_token":"ü"}"#,
            r#"{"access_token":"a","refresh_token":""}"#,
            r#"{"access_token":"a","refresh_token":"\u0000"}"#,
            r#"{"access_token":"a","token_type":"mac"}"#,
            r#"{"access_token":"a","token_type":""}"#,
            r#"{"access_token":"a","token_type":["bearer"]}"#,
            r#"{"access_token":"a","access_token":"b"}"#,
            &long,
            &huge,
        ] {
            assert!(matches!(Tokens::judge(answer.as_bytes()), Err(TokenError::Unusable(_))), "{answer:.80}");
        }
        let refused = Tokens::judge(br#"{"error":"bad_code","error_description":"no","access_token":"a"}"#);
        let expected = TokenError::Refused { error: "bad_code".into(), description: "no".into() };
        assert_eq!(refused.map(drop), Err(expected));
    }
}
