use std::borrow::Cow;

use doorward_auth::{IssueError, OriginRefusal, Refusal};
use doorward_store::StoreError;
use doorward_types::RequestId;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::Rejection;

/// What went wrong, by the word that programs may rely on.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Code {
    /// The same request was carried out before.
    AlreadyDone,
    /// A next production key is staged already.
    AlreadyStaged,
    /// The body is longer than allowed.
    BodyTooLarge,
    /// The state of the resource does not allow it.
    Conflict,
    /// The `Host` header names another server than this one.
    ForbiddenHost,
    /// The header section is longer than allowed.
    HeadersTooLarge,
    /// The idempotency key was used before, for another request.
    IdempotencyKeyReused,
    /// The server failed.
    Internal,
    /// The operator's token is not known.
    InvalidCredential,
    /// The key is well-formed, but unknown, deleted, or regenerated.
    InvalidKey,
    /// The body or a parameter is not as it should be.
    InvalidRequest,
    /// A key stands in the query string, where it counts as leaked.
    KeyInWrongPlace,
    /// A page in a browser used a key.
    KeyUsedInBrowser,
    /// The `Authorization` header is not as it should be.
    MalformedAuthorization,
    /// The operator's token is none.
    MalformedCredential,
    /// The key's text is none.
    MalformedKey,
    /// The bytes that arrived are no HTTP request.
    MalformedRequest,
    /// The resource has no such method.
    MethodNotAllowed,
    /// No `Authorization` header.
    MissingCredential,
    /// The server's configuration lacks what this needs.
    NotConfigured,
    /// The client accepts no form that the answer has.
    NotAcceptable,
    /// This node cannot prove that it is up to date.
    NotCurrent,
    /// No such resource for this credential.
    NotFound,
    /// The store broke at the commit.
    OutcomeUnknown,
    /// The server has as much of this work under way as it takes.
    Overloaded,
    /// An organization always has its production key.
    ProductionKeyRequired,
    /// The body did not arrive in time.
    RequestTimeout,
    /// The store failed.
    StoreUnavailable,
    /// The key, address or connection has as much of this work under way as it may.
    TooManyRequests,
    /// A callback may not go there.
    UnauthorizedOrigin,
    /// The body is no JSON.
    UnsupportedMediaType,
    /// A third party failed.
    UpstreamFailed,
    /// The request target is longer than allowed.
    UriTooLong,
    /// The key is of an environment whose keys do not pass here.
    WrongEnvironment,
}

impl Code {
    /// The word in the answer.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.facts().0
    }

    /// The status of the answer: the one place where it is chosen.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.facts().1
    }

    const fn facts(self) -> (&'static str, StatusCode) {
        match self {
            Self::AlreadyDone => ("already_done", StatusCode::CONFLICT),
            Self::AlreadyStaged => ("already_staged", StatusCode::CONFLICT),
            Self::BodyTooLarge => ("body_too_large", StatusCode::PAYLOAD_TOO_LARGE),
            Self::Conflict => ("conflict", StatusCode::CONFLICT),
            Self::ForbiddenHost => ("forbidden_host", StatusCode::FORBIDDEN),
            Self::HeadersTooLarge => ("headers_too_large", StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
            Self::IdempotencyKeyReused => ("idempotency_key_reused", StatusCode::UNPROCESSABLE_ENTITY),
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR),
            Self::InvalidCredential => ("invalid_credential", StatusCode::UNAUTHORIZED),
            Self::InvalidKey => ("invalid_key", StatusCode::UNAUTHORIZED),
            Self::InvalidRequest => ("invalid_request", StatusCode::BAD_REQUEST),
            Self::KeyInWrongPlace => ("key_in_wrong_place", StatusCode::UNAUTHORIZED),
            Self::KeyUsedInBrowser => ("key_used_in_browser", StatusCode::FORBIDDEN),
            Self::MalformedAuthorization => ("malformed_authorization", StatusCode::UNAUTHORIZED),
            Self::MalformedCredential => ("malformed_credential", StatusCode::UNAUTHORIZED),
            Self::MalformedKey => ("malformed_key", StatusCode::UNAUTHORIZED),
            Self::MalformedRequest => ("malformed_request", StatusCode::BAD_REQUEST),
            Self::MethodNotAllowed => ("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED),
            Self::MissingCredential => ("missing_credential", StatusCode::UNAUTHORIZED),
            Self::NotAcceptable => ("not_acceptable", StatusCode::NOT_ACCEPTABLE),
            Self::NotConfigured => ("not_configured", StatusCode::NOT_IMPLEMENTED),
            Self::NotCurrent => ("not_current", StatusCode::SERVICE_UNAVAILABLE),
            Self::NotFound => ("not_found", StatusCode::NOT_FOUND),
            Self::OutcomeUnknown => ("outcome_unknown", StatusCode::SERVICE_UNAVAILABLE),
            Self::Overloaded => ("overloaded", StatusCode::SERVICE_UNAVAILABLE),
            Self::ProductionKeyRequired => ("production_key_required", StatusCode::CONFLICT),
            Self::RequestTimeout => ("request_timeout", StatusCode::REQUEST_TIMEOUT),
            Self::StoreUnavailable => ("store_unavailable", StatusCode::SERVICE_UNAVAILABLE),
            Self::TooManyRequests => ("too_many_requests", StatusCode::TOO_MANY_REQUESTS),
            Self::UnauthorizedOrigin => ("unauthorized_origin", StatusCode::FORBIDDEN),
            Self::UnsupportedMediaType => ("unsupported_media_type", StatusCode::UNSUPPORTED_MEDIA_TYPE),
            Self::UpstreamFailed => ("upstream_failed", StatusCode::BAD_GATEWAY),
            Self::UriTooLong => ("uri_too_long", StatusCode::URI_TOO_LONG),
            Self::WrongEnvironment => ("wrong_environment", StatusCode::FORBIDDEN),
        }
    }
}

/// A refusal that programs and people both can read (RFC 9457). It never holds what was presented.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    code: Code,
    detail: Cow<'static, str>,
    request_id: Option<RequestId>,
    id: Option<String>,
}

#[derive(Serialize)]
struct Shape<'a> {
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
    /// A problem; `detail` is for the person who has to mend it.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), request_id: None, id: None }
    }

    /// With the request that it answers.
    #[must_use]
    pub fn for_request(self, request_id: Option<RequestId>) -> Self {
        Self { request_id, ..self }
    }

    /// With the id of the record that it is about.
    #[must_use]
    pub fn about(self, id: String) -> Self {
        Self { id: Some(id), ..self }
    }

    /// What went wrong.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// For the person who has to mend it.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The answer's body: one JSON object.
    #[must_use]
    pub fn to_json(&self) -> String {
        let status = self.code.status();
        let shape = Shape {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            code: self.code.as_str(),
            detail: &self.detail,
            id: self.id.as_deref(),
            request_id: self.request_id,
        };
        // Strings and numbers always serialize.
        serde_json::to_string(&shape).unwrap_or_default()
    }

    /// The answer, with the headers that its status calls for.
    pub fn into_response<B: From<String>>(self) -> Response<B> {
        let mut response = Response::new(B::from(self.to_json()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        self.stamp(&mut response);
        response
    }

    /// The status, and the headers that it calls for.
    pub(crate) fn stamp<B>(&self, response: &mut Response<B>) {
        let status = self.code.status();
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match status {
            // Without `resource_metadata`: clients with static keys would go looking for an OAuth server.
            StatusCode::UNAUTHORIZED => headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"))
            }
            _ => None,
        };
    }
}

impl From<IssueError> for Problem {
    fn from(error: IssueError) -> Self {
        let detail = error.to_string();
        match error {
            IssueError::AlreadyDone { id } => Self::new(Code::AlreadyDone, detail).about(id),
            IssueError::AlreadyStaged => Self::new(Code::AlreadyStaged, detail),
            IssueError::IdempotencyKeyReused => Self::new(Code::IdempotencyKeyReused, detail),
            IssueError::ProductionKeyRequired => Self::new(Code::ProductionKeyRequired, detail),
            IssueError::ChangedMeanwhile | IssueError::ListFull | IssueError::NameTaken | IssueError::NotEmpty => {
                Self::new(Code::Conflict, detail)
            }
            IssueError::NameReserved => Self::new(Code::InvalidRequest, detail),
            IssueError::NoSuchKey
            | IssueError::NoSuchOperator
            | IssueError::NoSuchOrganization
            | IssueError::NoSuchOrigin
            | IssueError::NothingLost
            | IssueError::NothingStaged => Self::new(Code::NotFound, detail),
            IssueError::Store(error) => error.into(),
            _ => Self::new(Code::Internal, "the server failed; nothing was changed"),
        }
    }
}

/// What the engine said is for the operator's log, and stays there.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(conflict) => Self::new(Code::Conflict, conflict.to_string()),
            StoreError::Missing => Self::new(Code::NotFound, error.to_string()),
            StoreError::OutcomeUnknown => Self::new(
                Code::OutcomeUnknown,
                "the store broke while it wrote: whether the change was made is not known; look before you try again",
            ),
            StoreError::Doubtful(_) => Self::new(
                Code::StoreUnavailable,
                "the store that answers may not be the one that this server started on; nothing was changed, and the \
                 server's operator finds the reason in its log",
            ),
            StoreError::Unavailable(_) => Self::new(
                Code::StoreUnavailable,
                "the store cannot be reached at the moment; look whether the change was made before you try again",
            ),
            _ => Self::new(Code::Internal, "the server failed; its operator finds the reason in its log"),
        }
    }
}

impl From<OriginRefusal> for Problem {
    fn from(refusal: OriginRefusal) -> Self {
        match refusal {
            OriginRefusal::NotCurrent => Self::from(&Rejection::Key(Refusal::NotCurrent)),
            OriginRefusal::Refused(refusal) => Self::new(Code::UnauthorizedOrigin, refusal.to_string()),
        }
    }
}
