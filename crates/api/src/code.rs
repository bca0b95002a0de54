use doorward_http::Code as HttpCode;
use http::StatusCode;

/// A problem of the API, by the word that programs may rely on. The problems of a key are [`Rejection`](doorward_http::Rejection)s.
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
    /// The body or a parameter is not as it should be.
    InvalidRequest,
    /// The credential is not an operator's token.
    MalformedCredential,
    /// The bytes that arrived are no HTTP request.
    MalformedRequest,
    /// The resource has no such method.
    MethodNotAllowed,
    /// No `Authorization` header.
    MissingCredential,
    /// The client accepts no form that the answer has.
    NotAcceptable,
    /// The server's configuration lacks what this needs.
    NotConfigured,
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
    /// The body is not JSON.
    UnsupportedMediaType,
    /// A connector's own server failed.
    UpstreamFailed,
    /// The path and query are longer than allowed.
    UriTooLong,
}

impl From<Code> for HttpCode {
    fn from(code: Code) -> Self {
        match code {
            Code::AlreadyDone => Self::new("already_done", StatusCode::CONFLICT),
            Code::AlreadyStaged => Self::new("already_staged", StatusCode::CONFLICT),
            Code::BodyTooLarge => Self::new("body_too_large", StatusCode::PAYLOAD_TOO_LARGE),
            Code::Conflict => Self::new("conflict", StatusCode::CONFLICT),
            Code::ForbiddenHost => Self::new("forbidden_host", StatusCode::FORBIDDEN),
            Code::HeadersTooLarge => Self::HEADERS_TOO_LARGE,
            Code::IdempotencyKeyReused => Self::new("idempotency_key_reused", StatusCode::UNPROCESSABLE_ENTITY),
            Code::Internal => Self::INTERNAL,
            Code::InvalidCredential => Self::new("invalid_credential", StatusCode::UNAUTHORIZED),
            Code::InvalidRequest => Self::new("invalid_request", StatusCode::BAD_REQUEST),
            Code::MalformedCredential => Self::new("malformed_credential", StatusCode::UNAUTHORIZED),
            Code::MalformedRequest => Self::MALFORMED_REQUEST,
            Code::MethodNotAllowed => Self::new("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED),
            Code::MissingCredential => Self::MISSING_CREDENTIAL,
            Code::NotAcceptable => Self::new("not_acceptable", StatusCode::NOT_ACCEPTABLE),
            Code::NotConfigured => Self::new("not_configured", StatusCode::NOT_IMPLEMENTED),
            Code::NotCurrent => Self::NOT_CURRENT,
            Code::NotFound => Self::new("not_found", StatusCode::NOT_FOUND),
            Code::OutcomeUnknown => Self::new("outcome_unknown", StatusCode::SERVICE_UNAVAILABLE),
            Code::Overloaded => Self::new("overloaded", StatusCode::SERVICE_UNAVAILABLE),
            Code::ProductionKeyRequired => Self::new("production_key_required", StatusCode::CONFLICT),
            Code::RequestTimeout => Self::new("request_timeout", StatusCode::REQUEST_TIMEOUT),
            Code::StoreUnavailable => Self::new("store_unavailable", StatusCode::SERVICE_UNAVAILABLE),
            Code::TooManyRequests => Self::new("too_many_requests", StatusCode::TOO_MANY_REQUESTS),
            Code::UnauthorizedOrigin => Self::new("unauthorized_origin", StatusCode::FORBIDDEN),
            Code::UnsupportedMediaType => Self::new("unsupported_media_type", StatusCode::UNSUPPORTED_MEDIA_TYPE),
            Code::UpstreamFailed => Self::new("upstream_failed", StatusCode::BAD_GATEWAY),
            Code::UriTooLong => Self::URI_TOO_LONG,
        }
    }
}
