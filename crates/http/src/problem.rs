use std::borrow::Cow;

use doorward_types::RequestId;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

/// The kind of a problem: a stable word for programs, and the status. Services may define kinds of their own.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Code {
    word: &'static str,
    status: StatusCode,
}

impl Code {
    /// The header section is longer than allowed.
    pub const HEADERS_TOO_LARGE: Self = Self::new("headers_too_large", StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    /// The server failed.
    pub const INTERNAL: Self = Self::new("internal", StatusCode::INTERNAL_SERVER_ERROR);
    /// The key is well-formed, but unknown, deleted, or regenerated.
    pub const INVALID_KEY: Self = Self::new("invalid_key", StatusCode::UNAUTHORIZED);
    /// A key in the query string, which counts as leaked.
    pub const KEY_IN_WRONG_PLACE: Self = Self::new("key_in_wrong_place", StatusCode::UNAUTHORIZED);
    /// The key was reported as leaked, and waits for an operator.
    pub const KEY_QUARANTINED: Self = Self::new("key_quarantined", StatusCode::FORBIDDEN);
    /// A page in a browser used a key.
    pub const KEY_USED_IN_BROWSER: Self = Self::new("key_used_in_browser", StatusCode::FORBIDDEN);
    /// The `Authorization` header is malformed.
    pub const MALFORMED_AUTHORIZATION: Self = Self::new("malformed_authorization", StatusCode::UNAUTHORIZED);
    /// The text is not a key.
    pub const MALFORMED_KEY: Self = Self::new("malformed_key", StatusCode::UNAUTHORIZED);
    /// The received bytes are not an HTTP request.
    pub const MALFORMED_REQUEST: Self = Self::new("malformed_request", StatusCode::BAD_REQUEST);
    /// No `Authorization` header.
    pub const MISSING_CREDENTIAL: Self = Self::new("missing_credential", StatusCode::UNAUTHORIZED);
    /// This node cannot prove that it is up to date.
    pub const NOT_CURRENT: Self = Self::new("not_current", StatusCode::SERVICE_UNAVAILABLE);
    /// The key's organization is suspended.
    pub const ORGANIZATION_SUSPENDED: Self = Self::new("organization_suspended", StatusCode::FORBIDDEN);
    /// The path and query are longer than allowed.
    pub const URI_TOO_LONG: Self = Self::new("uri_too_long", StatusCode::URI_TOO_LONG);
    /// The key belongs to an environment that this route does not accept.
    pub const WRONG_ENVIRONMENT: Self = Self::new("wrong_environment", StatusCode::FORBIDDEN);

    /// Creates a kind of problem from its word in `snake_case`.
    #[must_use]
    pub const fn new(word: &'static str, status: StatusCode) -> Self {
        Self { word, status }
    }

    /// Returns the word in the answer.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.word
    }

    /// Returns the status of the answer.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.status
    }
}

/// A refusal for programs and people (RFC 9457). It never contains the presented text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    code: Code,
    detail: Cow<'static, str>,
    request_id: Option<RequestId>,
    id: Option<String>,
    store_failure: Option<&'static str>,
}

#[derive(Serialize)]
struct ProblemDocument<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    code: &'static str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<RequestId>,
}

impl Problem {
    /// Creates a problem. `detail` is for the person who has to fix it.
    #[must_use]
    pub fn new(code: impl Into<Code>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code: code.into(), detail: detail.into(), request_id: None, id: None, store_failure: None }
    }

    /// Adds the id of the request.
    #[must_use]
    pub fn for_request(self, request_id: Option<RequestId>) -> Self {
        Self { request_id, ..self }
    }

    /// Adds the id of the record that the problem is about.
    #[must_use]
    pub fn about(self, id: String) -> Self {
        Self { id: Some(id), ..self }
    }

    /// Notes the kind of the store's failure behind the problem, for metrics. The answer does not contain it.
    #[must_use]
    pub fn with_store_failure(self, kind: Option<&'static str>) -> Self {
        Self { store_failure: kind, ..self }
    }

    /// Returns the kind of the store's failure behind the problem, if the store failed.
    #[must_use]
    pub const fn store_failure(&self) -> Option<&'static str> {
        self.store_failure
    }

    /// Returns the kind of the problem.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Returns the text for the person who has to fix it.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Returns the answer's body, a JSON object.
    #[must_use]
    pub fn to_json(&self) -> String {
        let status = self.code.status();
        let shape = ProblemDocument {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            code: self.code.as_str(),
            detail: &self.detail,
            id: self.id.as_deref(),
            request_id: self.request_id,
        };
        // Serializing strings and numbers cannot fail.
        serde_json::to_string(&shape).unwrap_or_default()
    }

    /// Returns the answer, with the headers that its status requires.
    pub fn into_response<B: From<String>>(self) -> Response<B> {
        let mut response = Response::new(B::from(self.to_json()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        self.stamp(&mut response);
        response
    }

    /// Sets the status and the headers that it requires.
    pub(crate) fn stamp<B>(&self, response: &mut Response<B>) {
        let status = self.code.status();
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match status {
            // No `resource_metadata`: clients with static keys would look for an OAuth server.
            StatusCode::UNAUTHORIZED => headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"))
            }
            _ => None,
        };
    }
}
