//! The targets of browsers, and their parameters.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use doorward_records::ConnectorName;
use doorward_store::Scope;
use doorward_types::LinkSessionId;
use http::StatusCode;
use sha2::{Digest, Sha256};
use url::form_urlencoded::Serializer;

use crate::code_grant::MAX_CODE;

/// The browser's next step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CallbackResponse {
    /// A redirect to the backend's page, whose origin was checked just now.
    Redirect(String),
    /// No redirect: a plain text with this status.
    Page(StatusCode, String),
}

pub(crate) const LINK_EXPIRED: &str = "This link is not valid: it was used already, or its time is over. Go back to where you came \
                                   from, and begin again.";
pub(crate) const TRY_AGAIN: &str =
    "This service cannot tell at the moment where to send you. Load this page again in a few seconds.";
const OTHER_BROWSER: &str = "This link was begun in another browser, and can be finished there only. If that was not you, close \
                             this page: nothing was linked. Else go back to where you came from, and begin again.";

impl CallbackResponse {
    pub(crate) fn expired() -> Self {
        Self::Page(StatusCode::BAD_REQUEST, LINK_EXPIRED.to_owned())
    }

    pub(crate) fn other_browser() -> Self {
        Self::Page(StatusCode::BAD_REQUEST, OTHER_BROWSER.to_owned())
    }

    pub(crate) fn try_again() -> Self {
        Self::Page(StatusCode::SERVICE_UNAVAILABLE, TRY_AGAIN.to_owned())
    }
}

/// Returns the connector's own part of its redirect URI. An answer at one connector's URI is no answer for another connector:
/// this separates third parties that do not send an issuer (RFC 9700, section 4.4.2).
pub(crate) fn reference(scope: &Scope, connector: &ConnectorName) -> String {
    let name = format!("doorward:redirect:1\n{}\n{}\n{connector}", scope.organization(), scope.environment());
    // 132 bits.
    let mut reference = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(name.as_bytes()));
    reference.truncate(22);
    reference
}

/// Returns the URL with these parameters at the end of its query. The URL has no fragment.
pub(crate) fn with_parameters(url: &str, parameters: &[(&str, &str)]) -> String {
    let separator = match url.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    let added = Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("{url}{separator}{added}")
}

/// Returns the URL of a success.
pub(crate) fn success(url: &str, id: LinkSessionId, confirmation: &str) -> String {
    let told = [("link_session_id", &*id.to_string()), ("status", "success"), ("confirmation", confirmation)];
    with_parameters(url, &told)
}

/// Returns the URL of a failure.
pub(crate) fn failure(url: &str, id: LinkSessionId, error: &str) -> String {
    with_parameters(url, &[("link_session_id", &*id.to_string()), ("status", "error"), ("error", error)])
}

/// Returns the longest URL that a session can end at.
pub(crate) fn longest(url: &str, id: LinkSessionId) -> String {
    let [success, failure] = [success(url, id, &"0".repeat(43)), failure(url, id, &"e".repeat(MAX_CODE))];
    if success.len() > failure.len() { success } else { failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_added_after_the_existing_query() {
        let told = [("status", "error"), ("error", "access denied&x=1")];
        for (url, expected) in [
            ("https://a.example", "https://a.example?status=error&error=access+denied%26x%3D1"),
            ("https://a.example/cb?", "https://a.example/cb?status=error&error=access+denied%26x%3D1"),
            ("https://a.example/cb?a=b", "https://a.example/cb?a=b&status=error&error=access+denied%26x%3D1"),
            ("https://a.example/cb?a=b&", "https://a.example/cb?a=b&status=error&error=access+denied%26x%3D1"),
        ] {
            assert_eq!(with_parameters(url, &told), expected);
        }
    }
}
