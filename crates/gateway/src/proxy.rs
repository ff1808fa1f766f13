//! The request path. `Proxy::respond` is the pipeline that every request runs through, one line per step:
//!
//! ```text
//! route → authenticate → identify → check limits → prepare head and body → send → relay
//! ```
//!
//! Each step is a plain function in a file of its own. It takes plain values and returns a plain value or a
//! [`Refusal`]; nothing travels in request extensions or globals. The pipeline owns the client's upload and the
//! request's record, so an error only says what went wrong. The order of the checks is `docs/SPEC.md#order-of-checks`.

mod authenticate;
mod check_limits;
pub mod cors;
pub mod framing;
mod identify;
mod prepare;
mod refuse;
mod self_service;
pub mod self_service_error;
pub mod settings;
pub mod snapshot;

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use callsign_core::endpoint::{Endpoint, RouteError};
use callsign_core::request_id::RequestId;
use callsign_core::rewrite::headers::clean_response;
use callsign_core::shed::OverloadError;
use callsign_core::usage::outcome::Outcome;
use callsign_store::archive::Archive;
use callsign_store::ledger::{Ledger, Reader};
use callsign_store::limits::{Limiter, LimitsRefusedError};
use callsign_store::trusted_clock::TrustedClock;
use callsign_telemetry::metrics::Metrics;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use jiff::Timestamp;
use tokio::sync::Semaphore;

use crate::audit::{Auditor, Sample};
use crate::error::Refusal;
use crate::pending::PendingCosts;
use crate::random;
use crate::record::RequestRecord;
use crate::relay::{self, Answer, AwaitedHead, ReadOn};
use crate::server::{Drain, Handler, Peer, Upload};
use crate::shed::InFlight;
use crate::upstream::Upstream;
use crate::upstream::request_body::{RequestBody, UploadHandle};
use prepare::BodyPlan;
use settings::{OnClientGone, Settings};
use snapshot::{Snapshot, SnapshotError};

/// The request handler of the data port. A clone shares everything.
#[derive(Clone, Debug)]
pub struct Proxy(Arc<Worker>);

/// The state of one runtime thread. Connections to the upstream stay on their thread.
#[derive(Debug)]
struct Worker {
    upstream: Upstream,
    shared: Arc<Shared>,
}

/// The state that all runtime threads share.
#[derive(Debug)]
struct Shared {
    snapshot: ArcSwap<Snapshot>,
    metrics: Arc<Metrics>,
    in_flight: Arc<InFlight>,
    /// Bytes of memory that buffered bodies may still take (`CALLSIGN_BUFFER_TOTAL_BYTES`).
    buffers: Arc<Semaphore>,
    /// Compressed bodies that may still be decoded at the same time.
    decoders: Arc<Semaphore>,
    auditor: Auditor,
    ledger: Ledger,
    pending: Option<Arc<PendingCosts>>,
    archive: Archive,
    limiter: Limiter,
    reader: Option<Reader>,
    clock: Arc<TrustedClock>,
    read_on: Arc<ReadOn>,
}

/// The header of every response to a request that carries the request's id.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-callsign-request-id");

/// Compressed bodies that are decoded at the same time. Each may need a window of 16 MiB.
const DECODERS: usize = 16;

/// The parts of the proxy that stay the same when the configuration changes.
#[derive(Debug)]
pub struct ProxyDeps {
    /// The numbers for `/metrics`.
    pub metrics: Arc<Metrics>,
    /// Audits a sample of the rewritten bodies.
    pub auditor: Auditor,
    /// Counts requests in flight.
    pub in_flight: Arc<InFlight>,
    /// Records requests.
    pub ledger: Ledger,
    /// Gets the requests whose cost is pending; `None` if costs are not looked up.
    pub pending: Option<Arc<PendingCosts>>,
    /// Archives requests.
    pub archive: Archive,
    /// Counts each caller's usage and knows the blocks.
    pub limiter: Limiter,
    /// Queries the ledger for callers who ask about themselves; `None` without a ledger.
    pub reader: Option<Reader>,
    /// Whether the wall clock is trusted; OpenRouter's answers confirm it.
    pub clock: Arc<TrustedClock>,
    /// `CALLSIGN_BUFFER_TOTAL_BYTES`.
    pub buffer_total: u64,
    /// Ends what runs without a client.
    pub drain: Drain,
}

/// A request that has passed every check.
enum Checked {
    /// callsign itself has the answer.
    Answer(Response<Bytes>),
    /// It goes to OpenRouter, with its upload if that is still running.
    Request(Request<RequestBody>, Option<UploadHandle>),
}

/// The outcome of the pipeline, apart from a refusal.
enum Reply {
    /// An answer of callsign itself.
    Own(Response<Bytes>),
    /// OpenRouter's answer, and the upload if it is still running.
    Upstream(Response<Incoming>, Option<UploadHandle>),
}

impl Proxy {
    /// Creates a proxy with the configuration `snapshot`, until it is replaced.
    pub fn new(snapshot: Snapshot, upstream: Upstream, deps: ProxyDeps) -> Self {
        let bytes = usize::try_from(deps.buffer_total).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let buffers = Arc::new(Semaphore::new(bytes));
        let decoders = Arc::new(Semaphore::new(DECODERS));
        let snapshot = ArcSwap::from_pointee(snapshot);
        let shared = Shared {
            snapshot,
            metrics: deps.metrics,
            in_flight: deps.in_flight,
            buffers,
            decoders,
            auditor: deps.auditor,
            ledger: deps.ledger,
            pending: deps.pending,
            archive: deps.archive,
            limiter: deps.limiter,
            reader: deps.reader,
            clock: deps.clock,
            read_on: ReadOn::new(deps.drain, upstream.first_byte_timeout()),
        };
        Self(Arc::new(Worker { upstream, shared: Arc::new(shared) }))
    }

    /// Returns the same proxy with an upstream pool for another runtime thread.
    #[must_use]
    pub fn with_upstream(&self, upstream: Upstream) -> Self {
        Self(Arc::new(Worker { upstream, shared: Arc::clone(&self.0.shared) }))
    }

    /// Returns the configuration in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.shared.snapshot.load_full()
    }

    /// Puts new settings in force. Running requests end under the old ones, except those whose client has left: they end,
    /// because their caller may have lost their access.
    ///
    /// # Errors
    /// [`SnapshotError`]; the old settings then stay in force.
    pub fn replace_settings(&self, settings: &Settings) -> Result<(), SnapshotError> {
        let fresh = Snapshot::new(settings, Some(&self.snapshot()))?;
        self.0.shared.snapshot.store(Arc::new(fresh));
        self.0.shared.read_on.stop();
        Ok(())
    }

    /// The pipeline: answers one request.
    async fn respond(&self, snapshot: &Snapshot, parts: &Parts, upload: Upload, peer: Peer) -> Response<Answer> {
        let shared = &self.0.shared;
        let began_us = Timestamp::now().as_microsecond();
        let drawn = random::bytes().map(|random| RequestId::new(began_us, random));
        // Without randomness the request is refused, under an id that has its time alone.
        let id = drawn.unwrap_or_else(|_| RequestId::first_at(began_us));
        let begin = (id, began_us);
        let ledger = (&shared.ledger, shared.pending.as_ref());
        let mut record = RequestRecord::begin(begin, &shared.metrics, &shared.in_flight, ledger, &shared.archive);
        let mut upload = Some(upload);
        let checked: Result<Checked, Refusal> = async {
            drawn?;
            self.check_capacity(peer)?;
            let endpoint = route(snapshot, parts, &mut record)?;
            let caller = authenticate::authenticate(snapshot, parts, peer, &endpoint, &mut record).await?;
            let request = identify::identify(&shared.limiter, snapshot, caller, endpoint, &mut record)?;
            check_limits::check_limits(&shared.limiter, snapshot, &request, &mut record).await?;
            let (head, plan) = prepare::prepare(snapshot, parts, &request, &mut record)?;
            if let Some(answer) = request.answer_from_ledger(snapshot, parts, shared.reader.as_ref()).await? {
                return Ok(Checked::Answer(answer));
            }
            let mut body = self.prepare_body(snapshot, plan, &mut upload, &record).await?;
            let handle = body.stream();
            record.asks(body.outer(), handle.as_ref().map(|handle| Arc::clone(&handle.state)));
            Ok(Checked::Request(head.with_body(body), handle))
        }
        .await;
        let mut record = Box::new(record);
        let read_on = (snapshot.on_client_gone == OnClientGone::Auto).then(|| Arc::clone(&shared.read_on));
        let reply = match checked {
            Ok(Checked::Answer(answer)) => Ok(Reply::Own(answer)),
            Ok(Checked::Request(request, handle)) => {
                let reply;
                (reply, record) = self.send(request, handle, &mut upload, record, read_on.clone()).await;
                reply
            }
            Err(refusal) => Err(refusal),
        };
        let mut response = match reply {
            Ok(Reply::Own(answer)) => own_answer(answer, record).await,
            Ok(Reply::Upstream(answer, handle)) => relay(snapshot, parts, answer, handle, record, read_on).await,
            Err(refusal) => Box::pin(refuse::refuse(refusal, parts, upload, snapshot.limits.max_body, record)).await,
        };
        // The text of an id is a valid header value.
        response.headers_mut().extend(HeaderValue::from_str(&id.to_string()).ok().map(|id| (REQUEST_ID, id)));
        response
    }

    /// Refuses a request of a connection over its limit or during shutdown, and every request while a `strict` ledger
    /// cannot record.
    fn check_capacity(&self, peer: Peer) -> Result<(), Refusal> {
        if let Some(overload) = peer.shed {
            return Err(overload.into());
        }
        if self.0.shared.ledger.is_available() { Ok(()) } else { Err(Refusal::ledger_unavailable()) }
    }

    /// Buffers and checks a small body, or begins to read a large one. A refused body's unread rest is put back into
    /// `upload`.
    async fn prepare_body(
        &self,
        snapshot: &Snapshot,
        plan: Option<BodyPlan>,
        upload: &mut Option<Upload>,
        record: &RequestRecord,
    ) -> Result<RequestBody, Refusal> {
        let shared = &self.0.shared;
        let (Some(plan), limits) = (plan, snapshot.limits) else { return Ok(RequestBody::empty()) };
        let decoder = match plan.coding {
            None => None,
            Some(coding) => {
                let permit = Arc::clone(&shared.decoders).try_acquire_owned();
                Some((coding, permit.map_err(|_| OverloadError::Decoders)?))
            }
        };
        let raw = upload.take().unwrap_or_else(Upload::empty);
        let source = match decoder {
            None => raw,
            Some((coding, permit)) => raw.decoded(coding, limits.max_body, permit),
        };
        let mut body = RequestBody::new(source, plan.rewriter(snapshot), limits.max_body, record.body_recorder());
        if let Err(error) = body.buffer(limits.buffer_body, &shared.buffers).await {
            *upload = body.into_upload();
            return Err(error.into());
        }
        if let Some((pieces, filter)) = body.complete_json() {
            shared.auditor.sample(|| Sample::of(pieces, filter));
        }
        Ok(body)
    }

    /// Sends the request and waits for the head of OpenRouter's answer. After a failure the unread rest of the client's
    /// body is put back into `upload`.
    async fn send(
        &self,
        request: Request<RequestBody>,
        handle: Option<UploadHandle>,
        upload: &mut Option<Upload>,
        mut record: Box<RequestRecord>,
        read_on: Option<Arc<ReadOn>>,
    ) -> (Result<Reply, Refusal>, Box<RequestRecord>) {
        record.sent();
        let state = handle.as_ref().map(|handle| Arc::clone(&handle.state));
        let (worker, watched) = (Arc::clone(&self.0), state.clone());
        let sending = Box::pin(async move { worker.upstream.send(request, watched.as_deref()).await });
        let (answer, mut record) = AwaitedHead::new(sending, record, state, read_on).wait().await;
        let refusal = match answer {
            Some(Ok(answer)) => {
                self.0.compare_clock(answer.headers());
                return (Ok(Reply::Upstream(answer, handle)), record);
            }
            Some(Err(error)) => {
                record.failed(&error);
                error.into()
            }
            None => LimitsRefusedError::Blocked.into(),
        };
        if let Some(handle) = handle {
            *upload = handle.recover().await;
        }
        (Err(refusal), record)
    }
}

impl Worker {
    /// Compares the clock with the date of OpenRouter's answer, until they have agreed once (`docs/SPEC.md#clocks`).
    fn compare_clock(&self, headers: &HeaderMap) {
        let clock = &self.shared.clock;
        if !clock.wants_witness() {
            return;
        }
        let date = headers.get(http::header::DATE).and_then(|date| date.to_str().ok());
        if let Some(told) = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()) {
            clock.witness(Timestamp::now(), told.timestamp());
        }
    }
}

/// Finds the endpoint of a request whose framing is sound.
fn route(snapshot: &Snapshot, parts: &Parts, record: &mut RequestRecord) -> Result<Endpoint, Refusal> {
    framing::check(parts)?;
    let upgrade = framing::wants_websocket(&parts.headers);
    let path = parts.uri.path();
    let endpoint = Endpoint::find(&parts.method, path, upgrade, snapshot.has_ledger).map_err(|error| match error {
        RouteError::NotExposed => Refusal::not_exposed(path),
        other => other.into(),
    })?;
    record.endpoint = endpoint.name();
    Ok(endpoint)
}

/// Sends an answer of callsign itself.
async fn own_answer(answer: Response<Bytes>, mut record: Box<RequestRecord>) -> Response<Answer> {
    record.answered_by_callsign(answer.status().as_u16());
    Answer::own(answer, record).await
}

/// Relays OpenRouter's answer to the request with this head.
async fn relay(
    snapshot: &Snapshot,
    asked: &Parts,
    answer: Response<Incoming>,
    handle: Option<UploadHandle>,
    mut record: Box<RequestRecord>,
    read_on: Option<Arc<ReadOn>>,
) -> Response<Answer> {
    let (mut parts, body) = answer.into_parts();
    record.answered(parts.status.as_u16(), &parts.headers);
    clean_response(&mut parts.headers);
    record.relayed_headers(&parts.headers);
    parts.extensions.clear();
    parts.version = http::Version::HTTP_11;
    if snapshot.redact_account && relay::may_name_account(&parts) {
        if let Some(body) = relay::redact_account(body).await {
            record.outcome = Outcome::Complete;
            return Answer::own(Response::from_parts(parts, body), record).await;
        }
        parts.headers.remove(http::header::CONTENT_LENGTH);
        record.outcome = Outcome::UpstreamCut;
        return Answer::own(Response::from_parts(parts, Bytes::new()), record).await;
    }
    let upload = handle.map(|handle| handle.state);
    let is_bodyless = asked.method == Method::HEAD || [204, 304].contains(&parts.status.as_u16());
    if is_bodyless || body.is_end_stream() {
        // The server never asks an empty body for its end.
        record.outcome = Outcome::Complete;
        record.end().await;
    }
    Response::from_parts(parts, Answer::relayed(body, record, snapshot.idle_timeout, upload, read_on))
}

impl Handler for Proxy {
    type Body = Answer;

    async fn handle(&self, request: Request<Upload>, peer: Peer) -> Response<Answer> {
        let snapshot = self.snapshot();
        let (parts, upload) = request.into_parts();
        if let Some(preflight) = snapshot.cors.preflight(&parts, snapshot.has_ledger) {
            return preflight;
        }
        let mut response = self.respond(&snapshot, &parts, upload, peer).await;
        snapshot.cors.allow(&parts.headers, response.headers_mut());
        response
    }
}
