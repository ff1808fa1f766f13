//! Turns an error into the response that the client gets (`docs/SPEC.md#answers-of-callsign`).
//!
//! Modules define small errors beside their code, whose text tells the caller what to do and contains no value from
//! outside. This module maps each of them to its [`ErrorCode`]. The code decides status and type, the dialect decides
//! the shape. Every such response has the header `x-callsign-error`; OpenRouter's own errors do not.

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, UPGRADE};
use http::{HeaderName, HeaderValue, Response};
use serde_json::json;

use crate::job_error::JobError;
use crate::proxy::framing::{FramingError, UnsupportedBodyError};
use crate::proxy::self_service_error::{GenerationNotFoundError, SelfServiceError};
use crate::random::RandomnessError;
use crate::redirect::UpstreamRedirectError;
use crate::upstream::UpstreamError;
use crate::upstream::upload_state::UploadError;
use callsign_core::auth::{AuthError, MissingUserError, UnusableUserError};
use callsign_core::endpoint::{Dialect, RouteError, not_found};
use callsign_core::error_code::ErrorCode;
use callsign_core::identity::missing::UserRequiredError;
use callsign_core::rewrite::RewriteError;
use callsign_core::shed::OverloadError;
use callsign_store::archive::ArchiveUnavailableError;
use callsign_store::limits::LimitsRefusedError;

/// The header of callsign's own error responses; its value is the name of the code.
pub const CALLSIGN_ERROR: HeaderName = HeaderName::from_static("x-callsign-error");

/// An error response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: ErrorCode,
    message: String,
    /// The `allow` header.
    allow: Option<&'static str>,
    /// The `retry-after` header, in seconds.
    retry_after: Option<u32>,
    /// The name of the limit that is reached.
    pub limit: Option<&'static str>,
    /// Names and values of headers about the caller's limits.
    rates: Vec<(&'static str, String)>,
    /// The overload or shutdown, if that is the cause.
    pub overload: Option<OverloadError>,
}

impl Refusal {
    fn new(code: ErrorCode, error: &impl ToString) -> Self {
        let message = error.to_string();
        Self { code, message, allow: None, retry_after: None, limit: None, rates: Vec::new(), overload: None }
    }

    /// Returns the response for a request that cannot be recorded although it must be (`strict` mode).
    pub fn ledger_unavailable() -> Self {
        let message = "requests cannot be recorded at the moment, and must be; try again";
        Self { retry_after: Some(TRY_AGAIN_SECONDS), ..Self::new(ErrorCode::LedgerUnavailable, &message) }
    }

    /// Returns the response for a path that is not exposed.
    pub fn not_exposed(raw_path: &str) -> Self {
        Self::new(ErrorCode::NotExposed, &not_found::message(raw_path))
    }

    /// Returns the message. That of a caller's mistake names the page that explains its code.
    fn text(&self) -> String {
        let Self { message, code, .. } = self;
        if code.status().is_client_error() {
            format!("{message} (docs/ERRORS.md: {})", code.name())
        } else {
            message.clone()
        }
    }

    /// Returns true if the connection is closed after the response: it exceeds a limit, or the process is stopping.
    pub fn ends_connection(&self) -> bool {
        matches!(self.overload, Some(OverloadError::Connections | OverloadError::Address | OverloadError::Draining))
    }

    /// Builds the response in this dialect. `close` closes the connection after it (HTTP/1.1).
    pub fn response(&self, dialect: Dialect, close: bool) -> Response<Bytes> {
        let body = match dialect {
            Dialect::OpenAi => json!({"error": {
                "message": self.text(), "type": self.code.kind(), "param": null, "code": self.code.name(),
            }}),
            Dialect::Anthropic => {
                json!({"type": "error", "error": {"type": self.code.kind(), "message": self.text()}})
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
            // Numbers and units are valid header values.
            headers.extend(HeaderValue::from_str(value).ok().map(|value| (HeaderName::from_static(name), value)));
        }
        if close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        } else if self.code == ErrorCode::WebsocketUnsupported {
            // RFC 9110, section 15.5.22: 426 names an acceptable protocol.
            headers.insert(UPGRADE, HeaderValue::from_static("HTTP/1.1"));
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        }
        response
    }
}

impl From<RouteError> for Refusal {
    fn from(error: RouteError) -> Self {
        let (code, allow) = match error {
            RouteError::NotExposed | RouteError::NeedsLedger => (ErrorCode::NotExposed, None),
            RouteError::MethodNotAllowed { allow } => (ErrorCode::MethodNotAllowed, Some(allow)),
            RouteError::WebSocket => (ErrorCode::WebsocketUnsupported, None),
        };
        Self { allow, ..Self::new(code, &error) }
    }
}

impl From<GenerationNotFoundError> for Refusal {
    fn from(error: GenerationNotFoundError) -> Self {
        Self::new(ErrorCode::NotExposed, &error)
    }
}

impl From<SelfServiceError> for Refusal {
    fn from(error: SelfServiceError) -> Self {
        match error {
            SelfServiceError::GenerationNotFound(error) => error.into(),
            SelfServiceError::Job(error) => error.into(),
            SelfServiceError::Limits(_) => LimitsRefusedError::Unavailable.into(),
            SelfServiceError::Ledger(error) => {
                tracing::warn!(%error, "a caller's request for their own data failed: the ledger could not be read");
                Self::ledger_unavailable()
            }
        }
    }
}

impl From<JobError> for Refusal {
    fn from(error: JobError) -> Self {
        let code = match error {
            JobError::LedgerUnavailable => return Self::ledger_unavailable(),
            JobError::TooManyOpen => {
                let retry_after = Some(OPEN_JOBS_RETRY_SECONDS);
                return Self { retry_after, ..Self::new(ErrorCode::RateLimited, &error) };
            }
            JobError::NeedsLedger(_) | JobError::NotFound => ErrorCode::NotExposed,
            JobError::UnusablePrevious | JobError::Index => ErrorCode::BadRequest,
            JobError::NotYours => ErrorCode::NotYours,
        };
        Self::new(code, &error)
    }
}

impl From<FramingError> for Refusal {
    fn from(error: FramingError) -> Self {
        Self::new(ErrorCode::BadRequest, &error)
    }
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        let code = match &error {
            AuthError::MissingCredential => ErrorCode::MissingCredential,
            AuthError::KeysUnavailable => {
                let retry_after = Some(TRY_AGAIN_SECONDS);
                return Self { retry_after, ..Self::new(ErrorCode::KeysUnavailable, &error) };
            }
            AuthError::InvalidCredential
            | AuthError::OpenRouterKey
            | AuthError::RefusedKey(_)
            | AuthError::MissingToken
            | AuthError::InvalidToken(_)
            | AuthError::UnknownKey(_) => ErrorCode::InvalidCredential,
            AuthError::AmbiguousCredential(_) => ErrorCode::AmbiguousCredential,
            AuthError::AmbiguousIdentity(_) => ErrorCode::AmbiguousIdentity,
        };
        Self::new(code, &error)
    }
}

impl From<UserRequiredError> for Refusal {
    fn from(error: UserRequiredError) -> Self {
        Self::new(ErrorCode::UserRequired, &error)
    }
}

impl From<MissingUserError> for Refusal {
    fn from(error: MissingUserError) -> Self {
        Self::new(ErrorCode::UserRequired, &error)
    }
}

impl From<UnusableUserError> for Refusal {
    fn from(error: UnusableUserError) -> Self {
        Self::new(ErrorCode::UserRequired, &error)
    }
}

/// The header that OpenAI's and Anthropic's SDKs obey before `retry-after`. It is `false` if waiting takes too long.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// Longest `retry-after` for which SDKs should retry.
const LONGEST_RETRY_SECONDS: u32 = 60;

/// The `retry-after`, in seconds, of a caller with too many open video jobs. A video takes minutes.
const OPEN_JOBS_RETRY_SECONDS: u32 = 30;
/// The `retry-after`, in seconds, of errors that can end at any moment.
const TRY_AGAIN_SECONDS: u32 = 1;

impl From<OverloadError> for Refusal {
    fn from(overload: OverloadError) -> Self {
        let code = match overload {
            OverloadError::Connections | OverloadError::Address | OverloadError::InFlight | OverloadError::Decoders => {
                ErrorCode::Overloaded
            }
            OverloadError::Draining => ErrorCode::Draining,
            OverloadError::Caller | OverloadError::CallerDecoders => ErrorCode::RateLimited,
        };
        Self { retry_after: Some(TRY_AGAIN_SECONDS), overload: Some(overload), ..Self::new(code, &overload) }
    }
}

impl From<ArchiveUnavailableError> for Refusal {
    fn from(error: ArchiveUnavailableError) -> Self {
        Self { retry_after: Some(TRY_AGAIN_SECONDS), ..Self::new(ErrorCode::ArchiveUnavailable, &error) }
    }
}

impl From<LimitsRefusedError> for Refusal {
    fn from(error: LimitsRefusedError) -> Self {
        match &error {
            LimitsRefusedError::Blocked => Self::new(ErrorCode::UserBlocked, &error),
            LimitsRefusedError::Unavailable => {
                Self { retry_after: Some(TRY_AGAIN_SECONDS), ..Self::new(ErrorCode::LimitsUnavailable, &error) }
            }
            LimitsRefusedError::Over(over) => Self {
                retry_after: Some(over.retry_after()),
                limit: Some(over.name()),
                rates: over.rates.headers().collect(),
                ..Self::new(ErrorCode::RateLimited, &error)
            },
        }
    }
}

impl From<UnsupportedBodyError> for Refusal {
    fn from(error: UnsupportedBodyError) -> Self {
        let code = match error {
            UnsupportedBodyError::MediaType { .. } => ErrorCode::UnsupportedMediaType,
            UnsupportedBodyError::Boundary(_) => ErrorCode::BadRequest,
            UnsupportedBodyError::Encoding => ErrorCode::UnsupportedEncoding,
        };
        Self::new(code, &error)
    }
}

impl From<UpstreamRedirectError> for Refusal {
    fn from(error: UpstreamRedirectError) -> Self {
        Self::new(ErrorCode::UpstreamRedirect, &error)
    }
}

impl From<RandomnessError> for Refusal {
    fn from(error: RandomnessError) -> Self {
        Self::new(ErrorCode::Internal, &error)
    }
}

impl From<UploadError> for Refusal {
    fn from(error: UploadError) -> Self {
        let code = match &error {
            UploadError::Job(error) => return (*error).into(),
            UploadError::Limits(error) => return error.clone().into(),
            UploadError::Model(_) => ErrorCode::ModelNotAllowed,
            UploadError::Rewrite(RewriteError::Invalid(_)) => ErrorCode::InvalidJson,
            UploadError::Rewrite(RewriteError::SharedTool(_)) => ErrorCode::ToolNotAllowed,
            UploadError::TooLarge { .. } => ErrorCode::BodyTooLarge,
            UploadError::TooSlow => ErrorCode::RequestTimeout,
            UploadError::LengthMismatch => ErrorCode::Internal,
            // A client that is gone does not read the response.
            UploadError::Rewrite(RewriteError::Form(_))
            | UploadError::InvalidContentEncoding
            | UploadError::ClientGone => ErrorCode::BadRequest,
        };
        Self::new(code, &error)
    }
}

impl From<UpstreamError> for Refusal {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Upload(error) => error.into(),
            UpstreamError::Unreachable | UpstreamError::Closed | UpstreamError::SwitchedProtocols => {
                Self::new(ErrorCode::UpstreamUnreachable, &error)
            }
            UpstreamError::ConnectTimeout | UpstreamError::FirstByteTimeout => {
                Self::new(ErrorCode::UpstreamTimeout, &error)
            }
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
}
