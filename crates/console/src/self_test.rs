//! The interface to the self-test behind `test-mapping`. The program implements it; the console only asks and shows.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use callsign_core::endpoint::Inference;
use serde_json::{Map, Value};

/// The caller to try, and how.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The endpoint that the request goes to.
    pub endpoint: &'static Inference,
    /// The caller's tenant.
    pub tenant: Option<String>,
    /// The user id that the trusted app reports.
    pub user_id: String,
    /// The session id that the trusted app reports.
    pub session_id: Option<String>,
    /// The chat id that the trusted app reports.
    pub chat_id: Option<String>,
    /// The message id that the trusted app reports.
    pub message_id: Option<String>,
    /// The model; a small one by default.
    pub model: Option<String>,
    /// True if the request also goes to the real OpenRouter. This costs a fraction of a cent.
    pub live: bool,
}

/// The result of a self-test.
#[derive(Clone, Debug)]
pub struct Report {
    /// The identifier fields that arrived, as JSON.
    pub identifiers: Value,
    /// The headers that arrived, without the credential.
    pub headers: Map<String, Value>,
    /// The body that arrived.
    pub body: Value,
    /// True if exactly the expected identifiers arrived (and the live request succeeded, if there was one).
    pub passed: bool,
    /// The result of the live request: `status`, `generation_id`, `error`. Null without one.
    pub live: Value,
}

/// The reason why a self-test has no result.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    /// The trial itself is not valid, for example because a value cannot be sent in a header.
    #[error("{0}")]
    Invalid(String),
    /// The trial could not be carried out.
    #[error("{0}")]
    Failed(String),
}

/// The future result of a self-test.
pub type Pending = Pin<Box<dyn Future<Output = Result<Report, SelfTestError>> + Send>>;

/// Sends a request full of false claims through a copy of the running proxy into a mock OpenRouter and compares what
/// arrived with what the configuration promises.
#[derive(Clone)]
pub struct SelfTest(pub Arc<dyn Fn(Trial) -> Pending + Send + Sync>);

impl fmt::Debug for SelfTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SelfTest")
    }
}
