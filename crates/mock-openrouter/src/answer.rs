//! Answers a request: reads and records it, selects the endpoint and applies the behaviour.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::asked::ParsedRequest;
use super::behaviour::{Behaviour, Instead};
use super::generations::Generation;
use super::options::Options;
use super::plan::{AnswerBody, Plan};
use super::record::{Exchange, Received, Recorder};
use super::reply::Reply;
use super::upload::{self, Upload};
use super::{catalogue, chat, errors, media, messages, responses, rules};

/// Headers that OpenRouter adds to its responses.
const USUAL_HEADERS: [(&str, &str); 5] = [
    ("access-control-allow-origin", "*"),
    ("access-control-expose-headers", "X-Generation-Id,X-Provider-Name,cf-ray"),
    ("vary", "Accept-Encoding"),
    ("permissions-policy", "payment=(self \"https://checkout.stripe.com\")"),
    ("referrer-policy", "no-referrer, strict-origin-when-cross-origin"),
];

/// The state that all connections of one mock server share.
#[derive(Debug)]
pub(super) struct State {
    pub(super) options: Options,
    pub(super) recorder: Arc<Recorder>,
    pub(super) gate: Arc<Semaphore>,
}

/// The POST endpoints.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Endpoint {
    Completion(chat::Kind),
    Responses,
    Messages,
    CountTokens,
    Embeddings,
    Rerank,
    Images,
    Speech,
    Transcription,
}

impl Endpoint {
    fn of(path: &str) -> Option<Self> {
        Some(match path {
            "chat/completions" => Self::Completion(chat::Kind::Chat),
            "completions" => Self::Completion(chat::Kind::Text),
            "responses" => Self::Responses,
            "messages" => Self::Messages,
            "messages/count_tokens" => Self::CountTokens,
            "embeddings" => Self::Embeddings,
            "rerank" => Self::Rerank,
            "images" | "images/generations" => Self::Images,
            "audio/speech" => Self::Speech,
            "audio/transcriptions" => Self::Transcription,
            _ => return None,
        })
    }

    /// Returns the plain response: a stream if the request asks for one and the endpoint supports it.
    fn plan(self, reply: &Reply<'_>) -> Plan {
        let streamed = reply.asked.wants_stream();
        let json = |body: &Value| Plan::json(StatusCode::OK, body);
        match self {
            Self::Completion(kind) if streamed => Plan::stream(chat::events(kind, reply)),
            Self::Completion(kind) => Plan::padded_json(&chat::whole(kind, reply)),
            Self::Responses if streamed => Plan::stream(responses::events(reply)),
            Self::Responses => json(&responses::whole(reply)),
            Self::Messages if streamed => Plan::stream(messages::events(reply)),
            Self::Messages => json(&messages::whole(reply)),
            Self::CountTokens => json(&messages::count()),
            Self::Embeddings => json(&media::embeddings(reply)),
            Self::Rerank => json(&media::rerank(reply)),
            Self::Images if streamed => Plan::stream(media::image_events(reply)),
            Self::Images => json(&media::image(reply)),
            Self::Speech => media::speech(),
            Self::Transcription => json(&media::transcription(reply)),
        }
    }
}

/// A response and its generation record, if it has one.
type Answer = (Plan, Option<Generation>);

/// Answers one request. Dropping the future or the returned body counts as a cancellation by the client.
pub(super) async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<AnswerBody>, Infallible> {
    let exchange = Exchange::begin(Arc::clone(&state.recorder));
    let (head, body) = request.into_parts();
    let id = generation_id(exchange.number());
    let path = head.uri.path().strip_prefix("/api/v1/").unwrap_or_default().to_owned();
    let (mut plan, generation) = match upload::read(body, &state.gate).await {
        Upload::Whole(body) => {
            exchange.received(record(&exchange, &head, &body));
            decide(&state, &head, &path, &body, &id).await
        }
        Upload::Refused(status) => (errors::error(&path, status, errors::usual_message(status), &id), None),
        // The client disconnected, so nobody reads this response. The exchange is dropped unclosed.
        Upload::Broken => return Ok(bad_request()),
    };
    for (name, value) in USUAL_HEADERS {
        plan.headers.entry(HeaderName::from_static(name)).or_insert(HeaderValue::from_static(value));
    }
    if Endpoint::of(&path).is_some()
        && let Ok(id) = HeaderValue::from_str(&id)
    {
        plan.headers.insert("x-generation-id", id);
    }
    Ok(plan.play(&head.method, generation, exchange))
}

fn bad_request() -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::default());
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

fn record(exchange: &Exchange, head: &Parts, body: &Bytes) -> Received {
    Received {
        number: exchange.number(),
        method: head.method.clone(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        version: head.version,
        headers: head.headers.clone(),
        body: body.clone(),
    }
}

async fn decide(state: &State, head: &Parts, path: &str, body: &[u8], id: &str) -> Answer {
    let endpoint = Endpoint::of(path);
    match (&head.method, endpoint) {
        (&Method::POST, Some(endpoint)) => {
            if !has_bearer(&head.headers) {
                let status = StatusCode::UNAUTHORIZED;
                return (errors::error(path, status, errors::usual_message(status), id), None);
            }
            match ParsedRequest::read(path, &head.headers, body) {
                Ok(asked) => infer(state, endpoint, &asked, body, id).await,
                Err(message) => (errors::error(path, StatusCode::BAD_REQUEST, message, id), None),
            }
        }
        (&Method::GET | &Method::HEAD, None) => (get(state, head, path), None),
        (_, Some(_)) => (errors::error(path, StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed", id), None),
        // OpenRouter answers unknown paths with an HTML page of its website.
        (_, None) => (errors::html(StatusCode::NOT_FOUND), None),
    }
}

fn has_bearer(headers: &HeaderMap) -> bool {
    let bearer = headers.get(http::header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    bearer.is_some_and(|key| !key.trim_ascii().is_empty())
}

fn get(state: &State, head: &Parts, path: &str) -> Plan {
    if path != "generation" {
        return catalogue::get(path).unwrap_or_else(|| errors::html(StatusCode::NOT_FOUND));
    }
    let wanted = head.uri.query().unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("id="));
    match wanted.and_then(|id| state.recorder.generation(id)) {
        Some(generation) => Plan::json(StatusCode::OK, &generation.to_json()),
        None => errors::error(path, StatusCode::NOT_FOUND, "Generation not found", ""),
    }
}

async fn infer(state: &State, endpoint: Endpoint, asked: &ParsedRequest, body: &[u8], id: &str) -> Answer {
    let refuse = |message: &str| (errors::error(&asked.path, StatusCode::BAD_REQUEST, message, id), None);
    // A multipart body has no JSON members, so its model is searched in the bytes.
    let model = asked.text("model").or_else(|| upload::peek(body)).unwrap_or_default();
    let behaviour = match Behaviour::of_model(&model) {
        Ok(behaviour) => behaviour,
        Err(unknown) => return refuse(&format!("The mock server has no behaviour called {unknown:?}")),
    };
    if let Some(message) = rules::broken(asked) {
        return refuse(&message);
    }
    behaviour.faults.delay_head(&state.gate).await;
    let (mut plan, generation) = match behaviour.instead() {
        Some(Instead::Error(status)) => (errors::error(&asked.path, status, errors::usual_message(status), id), None),
        Some(Instead::Html(status)) => (errors::html(status), None),
        Some(Instead::Redirect) => (errors::redirect(), None),
        Some(Instead::Moderated) => (errors::moderated(), None),
        None => {
            let mut reply = Reply::new(id, asked);
            behaviour.shape(&mut reply);
            (endpoint.plan(&reply), Some(Generation::of(&reply, asked.wants_stream())))
        }
    };
    behaviour.apply(&mut plan, asked.headers(), state.options.pace, &state.gate);
    (plan, generation)
}

/// Returns `gen-<unix>-<random>`. Without a random source the request's number replaces the random part.
fn generation_id(number: usize) -> String {
    let random = getrandom::u64().unwrap_or(number as u64);
    format!("gen-{}-{random:016x}", super::reply::now())
}
