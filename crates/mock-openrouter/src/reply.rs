//! The content of a response, independent of the endpoint's format.

use std::time::{SystemTime, UNIX_EPOCH};

use super::asked::ParsedRequest;
use super::call::Call;
use super::usage::Usage;

/// The provider name in responses.
pub(super) const PROVIDER: &str = "Mock";

/// The model in the response to a request without one.
const DEFAULT_MODEL: &str = "mock/echo";

/// Number of tokens before the error of a reply that fails midway.
const TOKENS_BEFORE_FAILURE: usize = 3;

/// An error inside a 200.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Failure {
    /// An error in place of any output.
    BeforeOutput,
    /// An error after [`TOKENS_BEFORE_FAILURE`] tokens.
    Midway,
    /// As `Midway`, with only the finish reason `error`, in the formats that have one: no error object, no usage.
    Unexplained,
}

/// The content of one response.
#[derive(Debug)]
pub(super) struct Reply<'a> {
    /// `gen-<unix>-<random>`.
    pub(super) id: String,
    /// Seconds since 1970.
    pub(super) created: u64,
    /// The requested model.
    pub(super) model: String,
    /// The assistant's text, split as it is streamed.
    pub(super) tokens: Vec<String>,
    /// A tool call in place of the text.
    pub(super) call: Option<Call>,
    /// The error inside the 200, if the reply has one.
    pub(super) failure: Option<Failure>,
    /// True if a model of a fusion panel fails and the reply goes on.
    pub(super) panel_failed: bool,
    /// The usage in the generation record.
    pub(super) took: Usage,
    /// The usage in the response; `None` if the response does not tell it.
    pub(super) usage: Option<Usage>,
    /// The request.
    pub(super) asked: &'a ParsedRequest,
}

impl<'a> Reply<'a> {
    /// Creates a plain reply that lists the received identifiers and headers.
    pub(super) fn new(id: &str, asked: &'a ParsedRequest) -> Self {
        Self {
            id: id.to_owned(),
            created: now(),
            model: asked.text("model").unwrap_or_else(|| DEFAULT_MODEL.to_owned()),
            tokens: super::story::tell(asked).split_inclusive([' ', '\n']).map(str::to_owned).collect(),
            call: None,
            failure: None,
            panel_failed: false,
            took: Usage::OF_EVERY_ANSWER,
            usage: Some(Usage::OF_EVERY_ANSWER),
            asked,
        }
    }

    /// Makes the reply fail. Only a failure before any output costs nothing.
    pub(super) fn fail(&mut self, failure: Failure) {
        match failure {
            Failure::BeforeOutput => {
                self.tokens.clear();
                self.took = Usage::default();
                self.usage = None;
            }
            Failure::Midway => self.tokens.truncate(TOKENS_BEFORE_FAILURE),
            Failure::Unexplained => {
                self.tokens.truncate(TOKENS_BEFORE_FAILURE);
                self.usage = None;
            }
        }
        self.failure = Some(failure);
    }

    /// Returns the complete text.
    pub(super) fn text(&self) -> String {
        self.tokens.concat()
    }
}

/// Returns the current time in seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
