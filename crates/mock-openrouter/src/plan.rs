//! A response as a list of steps, and the body that executes them.
//!
//! An endpoint builds a plan, a behaviour (`behaviour.rs`) changes it, and [`Plan::play`] executes it. All waiting
//! between chunks happens here.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use serde_json::Value;

#[cfg(feature = "faults")]
use super::faults::interruption::Interruption;
use super::money;
use super::record::{Booking, Exchange};

/// The body of every response.
pub(super) type AnswerBody = UnsyncBoxBody<Bytes, io::Error>;

/// One step of a response.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Sends bytes without content: a comment or leading white space.
    Filler(Bytes),
    /// Sends a chunk: one event of a stream or a part of a plain body.
    Chunk(Bytes),
    /// Waits for this time.
    Pause(Duration),
    /// Delays or aborts the response.
    #[cfg(feature = "faults")]
    Interrupt(Interruption),
}

/// One response.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) steps: VecDeque<Step>,
}

impl Plan {
    /// Creates a response with `content-length`.
    pub(super) fn whole(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        Self { status, headers, steps: VecDeque::from([Step::Chunk(body)]) }
    }

    /// Creates a JSON response.
    pub(super) fn json(status: StatusCode, body: &Value) -> Self {
        Self::whole(status, "application/json", money::text(body))
    }

    /// Creates a JSON response after white space, with which OpenRouter keeps a slow connection alive.
    pub(super) fn padded_json(body: &Value) -> Self {
        let mut plan = Self::json(StatusCode::OK, body);
        plan.headers.remove(CONTENT_LENGTH);
        plan.steps.push_front(Step::Filler(Bytes::from_static(b"\n         \n\n         \n")));
        plan
    }

    /// Creates a stream of server-sent events after two of OpenRouter's keep-alive comments.
    pub(super) fn stream(events: Vec<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        let comment = Step::Filler(Bytes::from_static(b": OPENROUTER PROCESSING\n\n"));
        let steps = [comment.clone(), comment].into_iter().chain(events.into_iter().map(Step::Chunk)).collect();
        Self { status: StatusCode::OK, headers, steps }
    }

    /// Inserts `step` between consecutive chunks.
    pub(super) fn separate(&mut self, step: &Step) {
        let mut chunks = 0;
        for old in std::mem::take(&mut self.steps) {
            if matches!(old, Step::Chunk(_)) {
                if chunks > 0 {
                    self.steps.push_back(step.clone());
                }
                chunks += 1;
            }
            self.steps.push_back(old);
        }
    }

    /// Returns a response whose body executes the plan and records it in `exchange`.
    pub(super) fn play(
        self,
        method: &Method,
        booking: Option<Booking>,
        mut exchange: Exchange,
    ) -> Response<AnswerBody> {
        exchange.answering(self.status, &self.headers, booking);
        let mut steps = self.steps;
        if method == Method::HEAD || steps.is_empty() {
            steps.clear();
            exchange.finish();
        }
        let player = Player { steps, exchange };
        let frames = stream::unfold(player, |mut player| async { player.next().await.map(|frame| (frame, player)) });
        let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// Returns a server-sent event: an `event:` line if it has a name, a `data:` line and a blank line.
pub(super) fn event(name: Option<&str>, data: &Value) -> Bytes {
    let data = money::text(data);
    match name {
        Some(name) => Bytes::from(format!("event: {name}\ndata: {data}\n\n")),
        None => Bytes::from(format!("data: {data}\n\n")),
    }
}

/// Returns the end of a stream in OpenAI's format.
pub(super) fn done() -> Bytes {
    Bytes::from_static(b"data: [DONE]\n\n")
}

struct Player {
    steps: VecDeque<Step>,
    exchange: Exchange,
}

impl Player {
    async fn next(&mut self) -> Option<io::Result<Frame<Bytes>>> {
        loop {
            match self.steps.pop_front() {
                None => {
                    self.exchange.finish();
                    return None;
                }
                Some(Step::Filler(bytes) | Step::Chunk(bytes)) => {
                    self.exchange.wrote(&bytes);
                    // hyper does not poll again after the announced length, so the last bytes end the response.
                    if self.steps.is_empty() {
                        self.exchange.finish();
                    }
                    return Some(Ok(Frame::data(bytes)));
                }
                Some(Step::Pause(duration)) => tokio::time::sleep(duration).await,
                #[cfg(feature = "faults")]
                Some(Step::Interrupt(interruption)) => {
                    if let Err(cut) = interruption.run().await {
                        self.exchange.finish();
                        self.steps.clear();
                        return Some(Err(cut));
                    }
                }
            }
        }
    }
}
