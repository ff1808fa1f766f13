//! Answers a request: reads and records it, selects the endpoint and applies the behaviour.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::account::{self, AccountRefusal};
use super::asked::{self, ParsedRequest};
use super::behaviour::{Behaviour, Instead};
use super::books::Entry;
use super::endpoint::Endpoint;
use super::generations::{Generation, LookedUp};
use super::lookups::Lookups;
use super::options::Options;
use super::plan::{AnswerBody, Plan};
use super::record::{Booking, Exchange, Received, Recorder};
use super::reply::Reply;
use super::upload::{self, Upload};
use super::{catalogue, errors, rules, videos};

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
    /// The reason for which the operator's account refuses requests, if it does.
    pub(super) refusal: Mutex<Option<AccountRefusal>>,
    pub(super) lookups: Lookups,
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
    let endpoint = Endpoint::find(&path);
    if endpoint.is_some()
        && let Ok(id) = HeaderValue::from_str(&id)
    {
        plan.headers.insert("x-generation-id", id);
    }
    let booked = endpoint.filter(|_| head.method == Method::POST);
    let booking = booked.map(|(path, _)| booking(&id, path, plan.status, generation));
    Ok(plan.play(&head.method, booking, exchange))
}

fn booking(id: &str, endpoint: &'static str, status: StatusCode, record: Option<Generation>) -> Booking {
    let (cost, provider_cost) =
        record.as_ref().map_or((0, 0), |record| (record.took.cost(), record.took.provider_cost()));
    let generation = record.as_ref().map_or_else(|| id.into(), |record| Arc::clone(&record.id));
    let entry = Entry { generation, endpoint, status: status.as_u16(), cost, provider_cost, client_left: false };
    Booking { entry, record }
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
    match (&head.method, Endpoint::find(path)) {
        (&Method::POST, Some((_, endpoint))) => {
            if asked::bearer(&head.headers).is_none() {
                return (refused(path, AccountRefusal::Unauthorized, id), None);
            }
            if let Some(refusal) = *state.refusal.lock() {
                return (refused(path, refusal, id), None);
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

fn refused(path: &str, refusal: AccountRefusal, id: &str) -> Plan {
    errors::error(path, refusal.status(), refusal.message(), id)
}

fn get(state: &State, head: &Parts, path: &str) -> Plan {
    if let Some((id, is_content)) = videos::path(path) {
        return videos::read(id, is_content, state.recorder.look_up(id));
    }
    match path {
        "key" | "auth/key" | "credits" => account(state, &head.headers, path),
        "generation" => generation(state, head),
        _ => catalogue::get(path).unwrap_or_else(|| errors::html(StatusCode::NOT_FOUND)),
    }
}

/// Answers `GET /key` and `GET /credits`.
fn account(state: &State, headers: &HeaderMap, path: &str) -> Plan {
    if asked::bearer(headers).is_none() || has_no_key(state) {
        return refused("key", AccountRefusal::Unauthorized, "");
    }
    let spent = state.recorder.total();
    let body = if path == "credits" { account::credits(spent) } else { account::key(spent) };
    Plan::json(StatusCode::OK, &body)
}

fn has_no_key(state: &State) -> bool {
    *state.refusal.lock() == Some(AccountRefusal::Unauthorized)
}

/// Answers `GET /generation`. Unlike OpenRouter it needs no key.
fn generation(state: &State, head: &Parts) -> Plan {
    let path = "generation";
    let failure = state.lookups.begin(&head.headers);
    if has_no_key(state) {
        return refused(path, AccountRefusal::Unauthorized, "");
    }
    if let Some(failure) = failure {
        return failure.plan();
    }
    let wanted = head.uri.query().unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("id="));
    match wanted.map(|id| state.recorder.look_up(id)) {
        Some(LookedUp::Found(generation)) => Plan::json(StatusCode::OK, &generation.to_json()),
        Some(LookedUp::NotYet | LookedUp::Unknown) | None => {
            errors::error(path, StatusCode::NOT_FOUND, "Generation not found", "")
        }
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
        Some(Instead::Redirect) => (errors::redirect_elsewhere(), None),
        Some(Instead::Moderated) => (errors::moderated(), None),
        None => {
            let mut reply = Reply::new(&endpoint.id_of(id), asked);
            behaviour.shape(&mut reply);
            let record = Generation::of(&reply, asked.wants_stream(), behaviour.late_record());
            (endpoint.plan(&reply), Some(record).filter(|_| !endpoint.is_free()))
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
