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
mod job_answer;
mod me_page;
mod own_account;
mod pass_on;
mod person;
mod prepare;
mod refuse;
mod self_service;
pub mod self_service_error;
pub mod settings;
pub mod snapshot;
mod videos;

use std::hash::RandomState;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use callsign_core::endpoint::{Endpoint, RouteError};
use callsign_core::fair_pool::{FairPool, FairShare, PoolError};
use callsign_core::identity::caller_identity::Holder;
use callsign_core::request_id::RequestId;
use callsign_core::shed::OverloadError;
use callsign_store::archive::Archive;
use callsign_store::ledger::{Ledger, Reader};
use callsign_store::limits::{Limiter, LimitsRefusedError};
use callsign_store::trusted_clock::TrustedClock;
use callsign_telemetry::metrics::Metrics;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::audit::{Auditor, Sample};
use crate::catalogue::Catalogue;
use crate::error::Refusal;
use crate::pending::PendingCosts;
use crate::prices::Prices;
use crate::random;
use crate::record::RequestRecord;
use crate::relay::{Answer, AwaitedHead, ReadOn};
use crate::server::{ContentCoding, Drain, Handler, Peer, Upload};
use crate::shed::InFlight;
use crate::upstream::request_body::{BodyCheck, RequestBody, UploadHandle};
use crate::upstream::{PoolKey, Upstream};
use identify::RequestKind;
use pass_on::{Reply, Sent};
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
    /// Bytes of memory for buffered bodies (`CALLSIGN_BUFFER_TOTAL_BYTES`).
    buffers: Arc<FairPool>,
    /// Bytes of memory for decoders of compressed bodies.
    decoders: Arc<FairPool>,
    catalogue: Arc<Catalogue>,
    auditor: Auditor,
    ledger: Ledger,
    pending: Option<Arc<PendingCosts>>,
    archive: Archive,
    limiter: Limiter,
    prices: Prices,
    reader: Option<Reader>,
    clock: Arc<TrustedClock>,
    read_on: Arc<ReadOn>,
    /// The connections of all threads.
    upstreams: Mutex<Vec<Upstream>>,
}

/// The header of every response to a request that carries the request's id.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-callsign-request-id");

/// Bytes of memory for decoders of compressed bodies: 16 of brotli, which takes the most, or 4096 of gzip.
const DECODER_MEMORY: u64 = 256 * 1024 * 1024;

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
    /// Estimates the cost of requests.
    pub prices: Prices,
    /// Queries the ledger for callers who ask about themselves; `None` without a ledger.
    pub reader: Option<Reader>,
    /// The clock, which OpenRouter's answers confirm.
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
    Request(Box<Request<RequestBody>>, Option<UploadHandle>, Sent),
}

impl Proxy {
    /// Creates a proxy with the configuration `snapshot`, until it is replaced.
    pub fn new(snapshot: Snapshot, upstream: Upstream, deps: ProxyDeps) -> Self {
        let pool = |bytes| FairPool::new(bytes, RandomState::new());
        let (buffers, decoders) = (pool(deps.buffer_total), pool(DECODER_MEMORY));
        let snapshot = ArcSwap::from_pointee(snapshot);
        let shared = Shared {
            snapshot,
            metrics: deps.metrics,
            in_flight: deps.in_flight,
            buffers,
            decoders,
            catalogue: Arc::default(),
            auditor: deps.auditor,
            ledger: deps.ledger,
            pending: deps.pending,
            archive: deps.archive,
            limiter: deps.limiter,
            prices: deps.prices,
            reader: deps.reader,
            clock: deps.clock,
            read_on: ReadOn::new(deps.drain, upstream.first_byte_timeout()),
            upstreams: Mutex::new(vec![upstream.clone()]),
        };
        Self(Arc::new(Worker { upstream, shared: Arc::new(shared) }))
    }

    /// Returns the same proxy with an upstream pool for another runtime thread.
    #[must_use]
    pub fn with_upstream(&self, upstream: Upstream) -> Self {
        self.0.shared.upstreams.lock().push(upstream.clone());
        Self(Arc::new(Worker { upstream, shared: Arc::clone(&self.0.shared) }))
    }

    /// Returns the limiter.
    pub fn limiter(&self) -> &Limiter {
        &self.0.shared.limiter
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
        let previous = self.snapshot();
        let fresh = Snapshot::new(settings, Some(&previous))?;
        let kept: Vec<_> = fresh.accounts().cloned().collect();
        self.0.shared.limiter.configure(&settings.limits);
        self.0.shared.snapshot.store(Arc::new(fresh));
        for account in previous.accounts().filter(|account| !kept.iter().any(|kept| Arc::ptr_eq(kept, account))) {
            account.pool().retire();
        }
        self.0.shared.upstreams.lock().iter().for_each(Upstream::drop_retired);
        self.0.shared.catalogue.clear();
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
        // Boxed: its memory is free again while OpenRouter answers.
        let checked = match drawn {
            Ok(_) => Box::pin(self.check(snapshot, parts, peer, &mut upload, &mut record)).await,
            Err(error) => Err(error.into()),
        };
        let read_on = (snapshot.on_client_gone == OnClientGone::Auto).then(|| Arc::clone(&shared.read_on));
        let mut list = None;
        let reply = match checked {
            Ok(Checked::Answer(answer)) => Ok(Reply::Own(answer)),
            Ok(Checked::Request(request, handle, mut sent)) => {
                list = sent.list.take().filter(|_| parts.method == Method::GET);
                let reply;
                (reply, record) =
                    self.send(request, sent.account.take(), handle, &mut upload, record, read_on.clone()).await;
                match reply {
                    Ok(mut reply) => match pass_on::check_redirect(snapshot, parts, &sent, &mut reply) {
                        Ok(()) => Ok(reply),
                        Err(error) => {
                            Box::pin(pass_on::end_exchange(reply, &mut upload, &mut record)).await;
                            Err(error.into())
                        }
                    },
                    Err(refusal) => Err(refusal),
                }
            }
            Err(refusal) => Err(refusal),
        };
        let mut response = match reply {
            Ok(Reply::Own(answer)) => pass_on::own_answer(answer, record).await,
            Ok(Reply::Upstream(answer, handle)) => {
                let list = list.map(|list| (list, &shared.catalogue));
                pass_on::relay(snapshot, parts, answer, handle, record, read_on, list).await
            }
            Err(refusal) => Box::pin(refuse::refuse(refusal, parts, upload, snapshot.limits.max_body, record)).await,
        };
        // The text of an id is a valid header value.
        response.headers_mut().extend(HeaderValue::from_str(&id.to_string()).ok().map(|id| (REQUEST_ID, id)));
        response
    }

    /// Checks and prepares a request. A refused body's unread rest is put back into `upload`.
    async fn check(
        &self,
        snapshot: &Snapshot,
        parts: &Parts,
        peer: Peer,
        upload: &mut Option<Upload>,
        record: &mut RequestRecord,
    ) -> Result<Checked, Refusal> {
        let shared = &self.0.shared;
        self.check_capacity(peer)?;
        let endpoint = route(snapshot, parts, record)?;
        let caller = authenticate::authenticate(&shared.limiter, snapshot, parts, peer, &endpoint, record).await?;
        let request = identify::identify(&shared.limiter, snapshot, caller, endpoint, record)?;
        let list = request.list_key(snapshot, parts);
        let cached = list.as_ref().and_then(|list| shared.catalogue.look_up(list, &parts.method));
        check_limits::check_limits((&shared.limiter, &shared.prices), snapshot, &request, cached.is_some(), record)
            .await?;
        if let Some(answer) = cached {
            return Ok(Checked::Answer(answer));
        }
        let (head, plan) = prepare::prepare(snapshot, parts, &request, record)?;
        if let Some(answer) =
            request.answer_from_ledger(snapshot, parts, shared.reader.as_ref(), &shared.limiter).await?
        {
            return Ok(Checked::Answer(answer));
        }
        let check = check_limits::check_body(snapshot, (&shared.prices, shared.reader.as_ref()), &request, record);
        let caller = request.caller.identity().holder();
        let mut body = self.prepare_body(snapshot, plan, caller, upload, check, record).await?;
        let handle = body.stream();
        record.asks(body.outer(), handle.as_ref().map(|handle| Arc::clone(&handle.state)));
        let is_catalogue = matches!(request.kind, RequestKind::Catalogue(_));
        let is_video = matches!(&request.kind, RequestKind::Video(video) if video.is_content());
        let account = snapshot.account(&request.caller).map(|account| account.pool().clone());
        let request = Box::new(head.with_body(body));
        let sent = Sent { target: request.uri().clone(), is_catalogue, is_video, list, account };
        Ok(Checked::Request(request, handle, sent))
    }

    /// Answers a request of the page `/callsign/me`: the pipeline answers the key of the form.
    ///
    /// # Errors
    /// The page, if the pipeline is not asked.
    async fn show_me(
        &self,
        snapshot: &Snapshot,
        parts: &Parts,
        upload: Upload,
        peer: Peer,
    ) -> Result<Response<Answer>, Box<Response<Answer>>> {
        let key = me_page::begin(parts, upload).await?;
        let answer = self.respond(snapshot, &me_page::question(&key)?, Upload::empty(), peer).await;
        let id = answer.headers().get(REQUEST_ID).cloned();
        let mut page = me_page::rendered(answer).await;
        page.headers_mut().extend(id.map(|id| (REQUEST_ID, id)));
        Ok(page)
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
        caller: Holder<'_>,
        upload: &mut Option<Upload>,
        check: BodyCheck,
        record: &RequestRecord,
    ) -> Result<RequestBody, Refusal> {
        let shared = &self.0.shared;
        let (Some(plan), limits) = (plan, snapshot.limits) else { return Ok(RequestBody::empty()) };
        let decoder = match plan.coding {
            None => None,
            Some(coding) => Some((coding, shared.decoder(coding, caller)?)),
        };
        let raw = upload.take().unwrap_or_else(Upload::empty);
        let source = match decoder {
            None => raw,
            Some((coding, memory)) => raw.decoded(coding, limits.max_body, memory),
        };
        let mut body =
            RequestBody::new(source, plan.rewriter(snapshot), limits.max_body, check, record.body_recorder());
        if let Err(error) = body.buffer(limits.buffer_body, half(&shared.buffers, caller)).await {
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
        request: Box<Request<RequestBody>>,
        account: Option<PoolKey>,
        handle: Option<UploadHandle>,
        upload: &mut Option<Upload>,
        mut record: Box<RequestRecord>,
        read_on: Option<Arc<ReadOn>>,
    ) -> (Result<Reply, Refusal>, Box<RequestRecord>) {
        record.sent();
        let state = handle.as_ref().map(|handle| Arc::clone(&handle.state));
        let (worker, watched) = (Arc::clone(&self.0), state.clone());
        let sending =
            Box::pin(async move { worker.upstream.send(request, watched.as_deref(), account.as_ref()).await });
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

impl Shared {
    /// Takes the memory of a decoder.
    fn decoder(&self, coding: ContentCoding, caller: Holder<'_>) -> Result<FairShare, OverloadError> {
        let mut memory = half(&self.decoders, caller);
        memory.grow(coding.memory()).map(|()| memory).map_err(|error| match error {
            PoolError::Share => OverloadError::CallerDecoders,
            PoolError::Full => OverloadError::Decoders,
        })
    }
}

impl Worker {
    /// Compares the clock with the date of OpenRouter's answer, once an hour (`docs/SPEC.md#clocks`).
    fn compare_clock(&self, headers: &HeaderMap) {
        let clock = &self.shared.clock;
        if !clock.wants_witness() {
            return;
        }
        let date = headers.get(http::header::DATE).and_then(|date| date.to_str().ok());
        if let Some(told) = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()) {
            clock.witness(told.timestamp());
        }
    }
}

/// Returns an empty share of a pool, of which a caller gets half if nobody else has any.
fn half(pool: &Arc<FairPool>, caller: Holder<'_>) -> FairShare {
    pool.share(caller, pool.capacity() / 2)
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

impl Handler for Proxy {
    type Body = Answer;

    async fn handle(&self, request: Request<Upload>, peer: Peer) -> Response<Answer> {
        let snapshot = self.snapshot();
        let (parts, upload) = request.into_parts();
        if me_page::is_page(&parts, peer) {
            // Without CORS: no other site may read it.
            return Box::pin(self.show_me(&snapshot, &parts, upload, peer)).await.unwrap_or_else(|page| *page);
        }
        if let Some(preflight) = snapshot.cors.preflight(&parts, snapshot.has_ledger) {
            return preflight;
        }
        // Boxed, because a future that contains another is moved with it.
        let mut response = Box::pin(self.respond(&snapshot, &parts, upload, peer)).await;
        snapshot.cors.allow(&parts.headers, response.headers_mut());
        response
    }
}
