use doorward_http::Code as HttpCode;
use http::StatusCode;

/// Declares the problems, each with its word and its status.
macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $word:literal, $status:ident;)+) => {
        /// A problem of the API, by the word that programs may rely on. The problems of a key are
        /// [`Rejection`](doorward_http::Rejection)s.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $code),+
        }

        impl From<Code> for HttpCode {
            fn from(code: Code) -> Self {
                match code {
                    $(Code::$code => Self::new($word, StatusCode::$status),)+
                }
            }
        }
    };
}

codes! {
    /// The same request was carried out before.
    AlreadyDone = "already_done", CONFLICT;
    /// A next production key is staged already.
    AlreadyStaged = "already_staged", CONFLICT;
    /// The body is longer than allowed.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE;
    /// The state of the resource does not allow it.
    Conflict = "conflict", CONFLICT;
    /// Another site may have made a visitor's browser send the request.
    CrossSite = "cross_site", FORBIDDEN;
    /// The `Host` header names another server than this one.
    ForbiddenHost = "forbidden_host", FORBIDDEN;
    /// The header section is longer than allowed.
    HeadersTooLarge = "headers_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE;
    /// The idempotency key was used before, for another request.
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY;
    /// The server failed.
    Internal = "internal", INTERNAL_SERVER_ERROR;
    /// The operator's token is not known.
    InvalidCredential = "invalid_credential", UNAUTHORIZED;
    /// The body or a parameter is not as it should be.
    InvalidRequest = "invalid_request", BAD_REQUEST;
    /// The sender of a report of leaked keys did not sign it.
    InvalidSignature = "invalid_signature", FORBIDDEN;
    /// The credential is not an operator's token.
    MalformedCredential = "malformed_credential", UNAUTHORIZED;
    /// The bytes that arrived are no HTTP request.
    MalformedRequest = "malformed_request", BAD_REQUEST;
    /// The resource has no such method.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED;
    /// No `Authorization` header.
    MissingCredential = "missing_credential", UNAUTHORIZED;
    /// The client accepts no form that the answer has.
    NotAcceptable = "not_acceptable", NOT_ACCEPTABLE;
    /// The server's configuration lacks what this needs.
    NotConfigured = "not_configured", NOT_IMPLEMENTED;
    /// This node cannot prove that it is up to date.
    NotCurrent = "not_current", SERVICE_UNAVAILABLE;
    /// No such resource for this credential.
    NotFound = "not_found", NOT_FOUND;
    /// The store broke at the commit.
    OutcomeUnknown = "outcome_unknown", SERVICE_UNAVAILABLE;
    /// The server has as much of this work under way as it takes.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE;
    /// An organization always has its production key.
    ProductionKeyRequired = "production_key_required", CONFLICT;
    /// The request asks that a key was unused for a time, and it was used.
    StillInUse = "still_in_use", CONFLICT;
    /// The body did not arrive in time.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT;
    /// The store failed.
    StoreUnavailable = "store_unavailable", SERVICE_UNAVAILABLE;
    /// The key, address or connection has as much of this work under way as it may.
    TooManyRequests = "too_many_requests", TOO_MANY_REQUESTS;
    /// A callback may not go there.
    UnauthorizedOrigin = "unauthorized_origin", FORBIDDEN;
    /// The body is not JSON.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE;
    /// A connector's own server failed.
    UpstreamFailed = "upstream_failed", BAD_GATEWAY;
    /// The path and query are longer than allowed.
    UriTooLong = "uri_too_long", URI_TOO_LONG;
}
