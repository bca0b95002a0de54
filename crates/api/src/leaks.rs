//! The work on reported keys.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use doorward_auth::{LeakPolicy, LeakReport, LeakedKey, ManageError, Reported};
use doorward_http::{KeyMisuse, Problem, SourceAddress};
use doorward_key::KeyPrefix;
use doorward_store::StoreError;
use http::Uri;
use percent_encoding::percent_decode_str;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use crate::code::Code;
use crate::state::State;

/// The most bytes of a URL. A longer one is left out.
const MAX_URL: usize = 1_024;

/// The maximum number of times that a text can be percent-encoded.
const MAX_ENCODINGS: usize = 8;

/// The number of keys of a report that are worked on at a time.
const AT_ONCE: usize = 8;

/// The pauses between the attempts, if the store fails.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// Fails if this node could call a key of this service unknown.
pub(crate) fn is_current(state: &State) -> Result<(), Problem> {
    let behind = || Problem::new(Code::NotCurrent, "this node cannot prove at the moment that it is up to date");
    if state.verifier.is_current() { Ok(()) } else { Err(behind()) }
}

/// Returns the keys in force that these texts belong to, each once, with the report about its first text.
pub(crate) fn in_force<'a, R: FnOnce() -> LeakReport>(
    state: &State,
    texts: impl IntoIterator<Item = (&'a str, R)>,
) -> Vec<(LeakedKey, LeakReport)> {
    let mut seen = HashSet::new();
    let known = texts.into_iter().filter_map(|(text, report)| match state.verifier.reported(text.as_bytes()) {
        Reported::InForce(leaked) if seen.insert(leaked.known_key().locator) => Some((leaked, report())),
        _ => None,
    });
    known.collect()
}

/// Does to leaked keys as the policies say, some at a time.
pub(crate) async fn take_all(state: &Arc<State>, leaked: Vec<(LeakedKey, LeakReport)>) {
    let mut waiting = leaked.into_iter();
    let mut at_work = JoinSet::new();
    loop {
        while at_work.len() < AT_ONCE
            && let Some((leaked, report)) = waiting.next()
        {
            let state = Arc::clone(state);
            at_work.spawn(async move { take(&state, &leaked, &report).await });
        }
        if at_work.join_next().await.is_none() {
            return;
        }
    }
}

async fn take(state: &State, leaked: &LeakedKey, report: &LeakReport) {
    let known = leaked.known_key();
    let (locator, organization, key) = (known.locator, known.organization, known.key);
    match with_patience(state, leaked, report).await {
        Ok(Some(policy)) => {
            tracing::error!(%locator, %organization, %key, %policy, "a key was reported as leaked");
        }
        // A report waits for an operator already.
        Ok(None) => state.layer.note(KeyMisuse::Reported, known, report.source_address.map(SourceAddress)),
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, %locator, %organization, %key, "a key was reported as leaked, and the policy may not be carried out: look at it");
        }
    }
}

/// Tries again for a while if the store fails: nobody may report the key again.
async fn with_patience(
    state: &State,
    leaked: &LeakedKey,
    report: &LeakReport,
) -> Result<Option<LeakPolicy>, ManageError> {
    let mut pauses = PAUSES.into_iter();
    loop {
        let handled = state.issuer.report(leaked, report, state.leak_policies).await;
        match (handled, pauses.next()) {
            (Err(ManageError::Store(StoreError::Unavailable(_))), Some(pause)) => tokio::time::sleep(pause).await,
            (handled, _) => return handled.map(|handled| handled.map(|handled| handled.policy)),
        }
    }
}

/// Returns the URL of a place without the parts that may show a secret: credentials, a query, and a fragment. Returns `None` for
/// a URL that shows one of these keys or the beginning of any key, and for a text that is no short web URL.
pub(crate) fn plain(url: &str, prefix: &KeyPrefix, keys: &[Zeroizing<String>]) -> Option<String> {
    let url: Uri = url.split('#').next().filter(|url| url.len() <= MAX_URL)?.parse().ok()?;
    let (scheme, authority) = (url.scheme_str()?, url.authority()?.as_str());
    let is_web = matches!(scheme, "http" | "https") && !authority.contains('@');
    let kept = format!("{scheme}://{authority}{}", url.path());
    (is_web && !shows_a_key(&kept, prefix, keys)).then_some(kept)
}

fn shows_a_key(text: &str, prefix: &KeyPrefix, keys: &[Zeroizing<String>]) -> bool {
    let beginning = format!("{prefix}_").to_lowercase();
    let shows = |text: &str| {
        text.to_lowercase().contains(&beginning)
            || keys.iter().any(|key| !key.is_empty() && text.contains(key.as_str()))
    };
    let mut text = text.to_owned();
    for _ in 0..MAX_ENCODINGS {
        if shows(&text) {
            return true;
        }
        let decoded = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if decoded == text {
            return false;
        }
        text = decoded;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_kept_without_the_parts_that_may_show_a_secret() {
        let (prefix, keys) = (KeyPrefix::default(), [Zeroizing::new("sk_live_4fG7hJ2kLm".to_owned())]);
        for (url, kept) in [
            ("https://github.com/acme/app/blob/main/.env#L3", Some("https://github.com/acme/app/blob/main/.env")),
            ("https://paste.example.com/x?key=dw_prod_a", Some("https://paste.example.com/x")),
            ("https://paste.example.com/dw_prod_4fG7hJ2kLm_x", None),
            ("https://paste.example.com/d%77_prod_4fG7hJ2kLm_x", None),
            ("https://paste.example.com/d%2577_prod_4fG7hJ2kLm_x", None),
            ("https://dw_prod_4fG7hJ2kLm_x.example.com/", None),
            ("https://paste.example.com/sk_live_4fG7hJ2kLm", None),
            ("https://user:secret@example.com/", None),
            ("javascript:alert(1)", None),
            ("not a URL", None),
            ("", None),
        ] {
            assert_eq!(plain(url, &prefix, &keys).as_deref(), kept, "{url}");
        }
        assert_eq!(plain(&format!("https://example.com/{}", "a".repeat(MAX_URL)), &prefix, &[]), None);
        assert_eq!(plain(&format!("https://example.com/%{}41", "25".repeat(20)), &prefix, &[]), None);
    }
}
