//! GitHub's list of public keys.

use std::error::Error;
use std::time::Duration;

use doorward_client::{Client, Endpoint, SendError};
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;

use crate::public_key::{PublicKey, is_identifier};

/// The timeout for the list. GitHub waits 30 s for a partner that answers with feedback.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum size of the list in bytes. A key takes about 300.
const MAX_LIST: usize = 64 * 1024;

/// The maximum number of keys that are kept. GitHub's documentation speaks of several keys.
const MAX_KEYS: usize = 16;

/// The reason why GitHub's public keys cannot be fetched. No message contains any part of the list.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The task that fetches was interrupted.
    #[error("the fetch was interrupted")]
    Interrupted(#[source] Box<dyn Error + Send + Sync>),
    /// The answer is not a list of public keys. The source is not kept, since its message quotes the answer.
    #[error("the answer is not a list of public keys: line {line}, column {column}")]
    Malformed {
        /// The line of the fault, from 1.
        line: usize,
        /// The column of the fault in bytes, from 1. It is 0 if the line is empty up to the fault.
        column: usize,
    },
    /// The list has no P-256 key.
    #[error("the list has no usable public key")]
    NoUsableKey,
    /// The last attempt failed less than a minute ago, so there is no further attempt yet.
    #[error("the last attempt failed less than a minute ago")]
    Paused,
    /// The server does not answer.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The server answers with another status than success. Redirects are not followed.
    #[error("the server of the public keys answers {0}")]
    Status(StatusCode),
    /// The answer is longer than 64 KiB.
    #[error("the answer is longer than {MAX_LIST} bytes")]
    TooLarge,
}

/// A public key and its identifier.
#[derive(Debug)]
pub(crate) struct ListedKey {
    pub(crate) identifier: String,
    pub(crate) key: PublicKey,
}

/// The body of the answer.
#[derive(Deserialize)]
struct List {
    public_keys: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    key_identifier: String,
    key: String,
    #[serde(default)]
    is_current: bool,
}

/// Fetches the list.
pub(crate) async fn fetch(client: &Client, url: &Endpoint) -> Result<Vec<ListedKey>, FetchError> {
    let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
    let answer = client.get(url, headers, REQUEST_TIMEOUT).await?;
    if !answer.status().is_success() {
        return Err(FetchError::Status(answer.status()));
    }
    parse(answer.body())
}

/// Reads the list, and keeps the usable keys. An entry of another form does not make the other keys unusable, so that GitHub can
/// introduce a further algorithm.
fn parse(body: &[u8]) -> Result<Vec<ListedKey>, FetchError> {
    if body.len() > MAX_LIST {
        return Err(FetchError::TooLarge);
    }
    let List { mut public_keys } = serde_json::from_slice(body)
        .map_err(|error| FetchError::Malformed { line: error.line(), column: error.column() })?;
    // The current keys sign the next reports, so the limit drops other keys first.
    public_keys.sort_by_key(|entry| !entry.is_current);
    let count = public_keys.len();
    let mut keys: Vec<_> = public_keys.into_iter().filter_map(usable).collect();
    keys.truncate(MAX_KEYS);
    if keys.is_empty() {
        return Err(FetchError::NoUsableKey);
    }
    if keys.len() < count {
        tracing::warn!(
            dropped = count - keys.len(),
            "some public keys of secret scanning are not usable, or are too many"
        );
    }
    Ok(keys)
}

fn usable(entry: Entry) -> Option<ListedKey> {
    let key = PublicKey::from_pem(&entry.key)?;
    is_identifier(&entry.key_identifier).then_some(ListedKey { identifier: entry.key_identifier, key })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const PEM: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYAGMWO8XgCamYKMJS6jc/qgvSlAd\n\
                       AjPuDPRcXU22YxgBrz+zoN19MzuRyW87qEt9/AmtoNP5GrobzUvQSyJFVw==\n-----END PUBLIC KEY-----\n";

    fn entry(identifier: &str, key: &str, is_current: bool) -> Value {
        json!({ "key_identifier": identifier, "key": key, "is_current": is_current, "added_later": 1 })
    }

    fn read(entries: &[Value]) -> Result<Vec<String>, FetchError> {
        let keys = parse(json!({ "public_keys": entries, "added_later": 1 }).to_string().as_bytes())?;
        Ok(keys.into_iter().map(|listed| listed.identifier).collect())
    }

    #[test]
    fn old_and_current_keys_are_kept() {
        assert_eq!(read(&[entry("old", PEM, false), entry("new", PEM, true)]).unwrap(), ["new", "old"]);
    }

    #[test]
    fn the_limit_drops_keys_that_are_not_current_first() {
        let mut entries: Vec<_> = (0..20).map(|number| entry(&format!("old{number}"), PEM, false)).collect();
        entries.push(entry("new", PEM, true));
        let kept = read(&entries).unwrap();
        assert_eq!((kept.len(), &*kept[0], &*kept[15]), (MAX_KEYS, "new", "old14"));
    }

    #[test]
    fn unusable_keys_do_not_take_the_place_of_usable_keys() {
        let long = "a".repeat(129);
        let mut entries: Vec<_> = (0..20).map(|number| entry(&format!("bad{number}"), "no PEM", true)).collect();
        entries.extend([
            entry("", PEM, true),
            entry("a b", PEM, true),
            entry(&long, PEM, true),
            entry("good", PEM, false),
        ]);
        assert_eq!(read(&entries).unwrap(), ["good"]);
        entries.pop();
        assert!(matches!(read(&entries), Err(FetchError::NoUsableKey)));
    }

    #[test]
    fn an_answer_of_another_form_is_refused_and_not_quoted() {
        for bad in [
            "",
            "null",
            "[]",
            "{}",
            "<html>quoted</html>",
            r#"{"public_keys":null}"#,
            r#"{"public_keys":"quoted"}"#,
            r#"{"public_keys":["quoted"]}"#,
            r#"{"public_keys":[{"key_identifier":"quoted"}]}"#,
            r#"{"public_keys":[{"key_identifier":1,"key":"quoted"}]}"#,
            r#"{"public_keys":[{"key_identifier":"a","key":"b","is_current":"quoted"}]}"#,
            r#"{"public_keys":[]} quoted"#,
        ] {
            let error = parse(bad.as_bytes()).unwrap_err();
            assert!(matches!(error, FetchError::Malformed { .. }), "{bad}: {error}");
            assert!(!format!("{error} {error:?}").contains("quoted"), "{error:?}");
        }
        assert!(matches!(read(&[]), Err(FetchError::NoUsableKey)));
    }

    #[test]
    fn a_long_answer_is_refused() {
        let list = json!({ "public_keys": [entry("a", PEM, true)] }).to_string();
        let padded = |length: usize| format!("{list}{}", " ".repeat(length - list.len()));
        assert_eq!(parse(padded(MAX_LIST).as_bytes()).unwrap().len(), 1);
        assert!(matches!(parse(padded(MAX_LIST + 1).as_bytes()), Err(FetchError::TooLarge)));
    }
}
