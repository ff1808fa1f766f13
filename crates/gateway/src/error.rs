//! The one place that turns a failure into an answer (contract, section 5).
//!
//! Policy: rooms define small errors beside their code, whose text tells the caller what to do and never holds a value
//! that came from somebody else. Here each of them gets its code; the code decides status and type; the dialect decides
//! the shape. Every answer of callsign's own carries `x-callsign-error`, so that one can tell it from OpenRouter's.

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, UPGRADE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::json;

use crate::proxy::framing::{FramingError, Unsupported};
use crate::proxy::self_service::{GenerationNotFoundError, SelfServiceError};
use crate::upstream::UpstreamError;
use crate::upstream::upload_state::UploadError;
use callsign_core::auth::AuthError;
use callsign_core::endpoint::{Dialect, RouteError};
use callsign_core::identity::missing::UserRequiredError;
use callsign_core::rewrite::RewriteError;
use callsign_core::rewrite::multipart::RandomnessError;
use callsign_core::shed::OverloadError;
use callsign_store::archive::Unavailable;
use callsign_store::limits::Refused;

/// The header that marks callsign's own answers.
pub const CALLSIGN_ERROR: HeaderName = HeaderName::from_static("x-callsign-error");

/// Every code of the contract that this build can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// 400: the body is no strict JSON object.
    InvalidJson,
    /// 400: an identity header came twice.
    AmbiguousIdentity,
    /// 400: credentials contradict each other.
    AmbiguousCredential,
    /// 400: framing.
    BadRequest,
    /// 401: no credential.
    MissingCredential,
    /// 401: a credential that is not valid.
    InvalidCredential,
    /// 403: no user id, and one is required.
    UserRequired,
    /// 403: the operator has stopped this user.
    UserBlocked,
    /// 403: a tool that reaches what all callers of the account share.
    ToolNotAllowed,
    /// 404: not in the table of endpoints.
    NotExposed,
    /// 405.
    MethodNotAllowed,
    /// 408: the upload is too slow.
    RequestTimeout,
    /// 413.
    BodyTooLarge,
    /// 415: content type.
    UnsupportedMediaType,
    /// 415: content encoding.
    UnsupportedEncoding,
    /// 426: WebSocket.
    WebsocketUnsupported,
    /// 429: one caller's share, or a limit, is used up.
    RateLimited,
    /// 500: a mistake of callsign's own; should never be seen.
    Internal,
    /// 502.
    UpstreamUnreachable,
    /// 503: everybody's share is used up.
    Overloaded,
    /// 503: limits cannot be checked, and must be (`CALLSIGN_LIMIT_STORE_DOWN=closed`).
    LimitsUnavailable,
    /// 503: requests cannot be written down, and must be (`CALLSIGN_LEDGER_MODE=strict`).
    LedgerUnavailable,
    /// 503: a request cannot be archived, and must be (`CALLSIGN_ARCHIVE_REQUIRED`).
    ArchiveUnavailable,
    /// 503: about to end.
    Draining,
    /// 504.
    UpstreamTimeout,
}

impl Code {
    /// Its name: the value of `x-callsign-error` and the `code` of the OpenAI shape.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// The status that it is answered with.
    pub fn status(self) -> StatusCode {
        self.row().1
    }

    fn row(self) -> (&'static str, StatusCode) {
        match self {
            Self::InvalidJson => ("invalid_json", StatusCode::BAD_REQUEST),
            Self::AmbiguousIdentity => ("ambiguous_identity", StatusCode::BAD_REQUEST),
            Self::AmbiguousCredential => ("ambiguous_credential", StatusCode::BAD_REQUEST),
            Self::BadRequest => ("bad_request", StatusCode::BAD_REQUEST),
            Self::MissingCredential => ("missing_credential", StatusCode::UNAUTHORIZED),
            Self::InvalidCredential => ("invalid_credential", StatusCode::UNAUTHORIZED),
            Self::UserRequired => ("user_required", StatusCode::FORBIDDEN),
            Self::UserBlocked => ("user_blocked", StatusCode::FORBIDDEN),
            Self::ToolNotAllowed => ("tool_not_allowed", StatusCode::FORBIDDEN),
            Self::NotExposed => ("not_exposed", StatusCode::NOT_FOUND),
            Self::MethodNotAllowed => ("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED),
            Self::RequestTimeout => ("request_timeout", StatusCode::REQUEST_TIMEOUT),
            Self::BodyTooLarge => ("body_too_large", StatusCode::PAYLOAD_TOO_LARGE),
            Self::UnsupportedMediaType => ("unsupported_media_type", StatusCode::UNSUPPORTED_MEDIA_TYPE),
            Self::UnsupportedEncoding => ("unsupported_encoding", StatusCode::UNSUPPORTED_MEDIA_TYPE),
            Self::WebsocketUnsupported => ("websocket_unsupported", StatusCode::UPGRADE_REQUIRED),
            Self::RateLimited => ("rate_limited", StatusCode::TOO_MANY_REQUESTS),
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR),
            Self::UpstreamUnreachable => ("upstream_unreachable", StatusCode::BAD_GATEWAY),
            Self::Overloaded => ("overloaded", StatusCode::SERVICE_UNAVAILABLE),
            Self::LimitsUnavailable => ("limits_unavailable", StatusCode::SERVICE_UNAVAILABLE),
            Self::LedgerUnavailable => ("ledger_unavailable", StatusCode::SERVICE_UNAVAILABLE),
            Self::ArchiveUnavailable => ("archive_unavailable", StatusCode::SERVICE_UNAVAILABLE),
            Self::Draining => ("draining", StatusCode::SERVICE_UNAVAILABLE),
            Self::UpstreamTimeout => ("upstream_timeout", StatusCode::GATEWAY_TIMEOUT),
        }
    }

    /// The error type by status, in the words that both dialects share (Anthropic's list of errors).
    fn kind(self) -> &'static str {
        match self.status().as_u16() {
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            503 => "overloaded_error",
            500.. => "api_error",
            _ => "invalid_request_error",
        }
    }
}

/// An answer of callsign's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which.
    pub code: Code,
    message: String,
    allow: Option<&'static str>,
    /// Seconds after which to try again.
    retry_after: Option<u32>,
    /// Where the caller stands with its limits: names and values of headers.
    rates: Vec<(&'static str, String)>,
    /// Why there was no place for it, if that is why.
    pub shed: Option<OverloadError>,
}

impl Refusal {
    fn new(code: Code, error: &impl ToString) -> Self {
        Self { code, message: error.to_string(), allow: None, retry_after: None, rates: Vec::new(), shed: None }
    }

    /// No row can be written, and without one nothing may be sent (`strict` mode).
    pub fn ledger_unavailable() -> Self {
        let message = "requests cannot be recorded at the moment, and must be; try again";
        Self { retry_after: Some(TRY_AGAIN_SECONDS), ..Self::new(Code::LedgerUnavailable, &message) }
    }

    /// Whether the connection ends with it, whatever the request was: it has no place, or the process is ending.
    pub fn ends_connection(&self) -> bool {
        matches!(self.shed, Some(OverloadError::Connections | OverloadError::Address | OverloadError::Draining))
    }

    /// The response in this dialect. `close` ends the connection behind it (HTTP/1.1).
    pub fn response(&self, dialect: Dialect, close: bool) -> Response<Bytes> {
        let body = match dialect {
            Dialect::OpenAi => json!({"error": {
                "message": self.message, "type": self.code.kind(), "param": null, "code": self.code.name(),
            }}),
            Dialect::Anthropic => {
                json!({"type": "error", "error": {"type": self.code.kind(), "message": self.message}})
            }
        };
        let mut response = Response::new(Bytes::from(body.to_string()));
        *response.status_mut() = self.code.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CALLSIGN_ERROR, HeaderValue::from_static(self.code.name()));
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
            if seconds > LONGEST_RETRY_SECONDS {
                headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
            }
        }
        for (name, value) in &self.rates {
            // Numbers and units.
            headers.extend(HeaderValue::from_str(value).ok().map(|value| (HeaderName::from_static(name), value)));
        }
        if close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        } else if self.code == Code::WebsocketUnsupported {
            // RFC 9110, section 15.5.22: 426 says what would be acceptable.
            headers.insert(UPGRADE, HeaderValue::from_static("HTTP/1.1"));
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        }
        response
    }
}

impl From<RouteError> for Refusal {
    fn from(error: RouteError) -> Self {
        let (code, allow) = match error {
            RouteError::NotExposed => (Code::NotExposed, None),
            RouteError::MethodNotAllowed { allow } => (Code::MethodNotAllowed, Some(allow)),
            RouteError::WebSocket => (Code::WebsocketUnsupported, None),
        };
        Self { allow, ..Self::new(code, &error) }
    }
}

impl From<GenerationNotFoundError> for Refusal {
    fn from(error: GenerationNotFoundError) -> Self {
        Self::new(Code::NotExposed, &error)
    }
}

impl From<SelfServiceError> for Refusal {
    fn from(unanswered: SelfServiceError) -> Self {
        match unanswered {
            SelfServiceError::GenerationNotFound(error) => error.into(),
            SelfServiceError::Ledger(error) => {
                tracing::warn!(%error, "a caller's question about themselves could not be answered");
                Self::ledger_unavailable()
            }
        }
    }
}

impl From<FramingError> for Refusal {
    fn from(error: FramingError) -> Self {
        Self::new(Code::BadRequest, &error)
    }
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        let code = match &error {
            AuthError::MissingCredential => Code::MissingCredential,
            AuthError::InvalidCredential | AuthError::InvalidToken | AuthError::UnknownKey(_) => {
                Code::InvalidCredential
            }
            AuthError::AmbiguousCredential(_) => Code::AmbiguousCredential,
            AuthError::AmbiguousIdentity(_) => Code::AmbiguousIdentity,
        };
        Self::new(code, &error)
    }
}

impl From<UserRequiredError> for Refusal {
    fn from(error: UserRequiredError) -> Self {
        Self::new(Code::UserRequired, &error)
    }
}

/// What SDKs go by before `retry-after`: whoever waits longer than this waits in vain.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const LONGEST_RETRY_SECONDS: u32 = 60;

/// Nothing is known of when a place will be free, only that answers end all the time.
const TRY_AGAIN_SECONDS: u32 = 1;

impl From<OverloadError> for Refusal {
    fn from(shed: OverloadError) -> Self {
        let code = match shed {
            OverloadError::Connections | OverloadError::Address | OverloadError::InFlight | OverloadError::Decoders => {
                Code::Overloaded
            }
            OverloadError::Draining => Code::Draining,
            OverloadError::Caller => Code::RateLimited,
        };
        Self { retry_after: Some(TRY_AGAIN_SECONDS), shed: Some(shed), ..Self::new(code, &shed) }
    }
}

impl From<Unavailable> for Refusal {
    fn from(error: Unavailable) -> Self {
        Self { retry_after: Some(TRY_AGAIN_SECONDS), ..Self::new(Code::ArchiveUnavailable, &error) }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match &refused {
            Refused::Blocked => Self::new(Code::UserBlocked, &refused),
            Refused::Unavailable => {
                Self { retry_after: Some(TRY_AGAIN_SECONDS), ..Self::new(Code::LimitsUnavailable, &refused) }
            }
            Refused::Over(over) => Self {
                retry_after: Some(over.retry_after()),
                rates: over.headers(),
                ..Self::new(Code::RateLimited, &refused)
            },
        }
    }
}

impl From<Unsupported> for Refusal {
    fn from(error: Unsupported) -> Self {
        let code = match error {
            Unsupported::MediaType { .. } => Code::UnsupportedMediaType,
            Unsupported::Boundary(_) => Code::BadRequest,
            Unsupported::Encoding => Code::UnsupportedEncoding,
        };
        Self::new(code, &error)
    }
}

impl From<RandomnessError> for Refusal {
    fn from(error: RandomnessError) -> Self {
        Self::new(Code::Internal, &error)
    }
}

impl From<UploadError> for Refusal {
    fn from(error: UploadError) -> Self {
        let code = match &error {
            UploadError::RewriteError(RewriteError::Invalid(_)) => Code::InvalidJson,
            UploadError::RewriteError(RewriteError::SharedTool(_)) => Code::ToolNotAllowed,
            UploadError::TooLarge { .. } => Code::BodyTooLarge,
            UploadError::TooSlow => Code::RequestTimeout,
            UploadError::LengthMismatch => Code::Internal,
            // Where the client is gone, nobody is there to read the answer.
            UploadError::RewriteError(RewriteError::Form(_))
            | UploadError::InvalidContentEncoding
            | UploadError::ClientGone => Code::BadRequest,
        };
        Self::new(code, &error)
    }
}

impl From<UpstreamError> for Refusal {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Upload(spoiled) => spoiled.into(),
            UpstreamError::Unreachable | UpstreamError::Closed | UpstreamError::SwitchedProtocols => {
                Self::new(Code::UpstreamUnreachable, &error)
            }
            UpstreamError::ConnectTimeout | UpstreamError::FirstByteTimeout => Self::new(Code::UpstreamTimeout, &error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_dialects() {
        let refusal = Refusal::from(AuthError::InvalidCredential);
        let openai = refusal.response(Dialect::OpenAi, true);
        assert_eq!(openai.status(), 401);
        assert_eq!(openai.headers()["x-callsign-error"], "invalid_credential");
        assert_eq!(openai.headers()["connection"], "close");
        let body: serde_json::Value = serde_json::from_slice(openai.body()).unwrap();
        assert_eq!(body["error"]["type"], "authentication_error");
        assert_eq!(body["error"]["code"], "invalid_credential");
        assert!(body["error"]["param"].is_null());

        let anthropic = refusal.response(Dialect::Anthropic, false);
        let body: serde_json::Value = serde_json::from_slice(anthropic.body()).unwrap();
        assert_eq!(body["type"], "error");
        assert_eq!(body["error"]["type"], "authentication_error");
        assert!(anthropic.headers().get("connection").is_none());
    }

    #[test]
    fn statuses_have_anthropics_words() {
        for (code, kind) in [
            (Code::InvalidJson, "invalid_request_error"),
            (Code::MethodNotAllowed, "invalid_request_error"),
            (Code::UserRequired, "permission_error"),
            (Code::NotExposed, "not_found_error"),
            (Code::BodyTooLarge, "request_too_large"),
            (Code::UpstreamTimeout, "api_error"),
        ] {
            assert_eq!(code.kind(), kind, "{code:?}");
        }
    }
}
