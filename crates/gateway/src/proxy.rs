//! The way of one request, one line per step: endpoint → caller → identifiers → rewrite → upstream → relay.
//!
//! Everything that a step needs is handed to it as a plain value; nothing travels in extensions or globals. The order of
//! checks is the contract's (section 5). What a step refuses is turned into an answer in `error.rs`.

mod admit;
pub mod cors;
pub mod framing;
mod intake;
pub mod own;
mod pass;
mod refuse;
pub mod settings;
pub mod snapshot;

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use tokio::sync::{Semaphore, oneshot};

use crate::audit::{Auditor, Sample};
use crate::error::Refusal;
use crate::record::account::RequestRecord;
use crate::relay::{self, Answer};
use crate::server::{Handler, Peer, Upload};
use crate::shed::InFlight;
use crate::upstream::Upstream;
use crate::upstream::outgoing::{Held, Outgoing, Streaming};
use crate::upstream::upload_state::UploadState;
use admit::Prepared;
use callsign_core::rewrite::headers::clean_response;
use callsign_core::rewrite::{Filter, Rewriter};
use callsign_core::shed::OverloadError;
use callsign_core::usage::outcome::Outcome;
use callsign_store::archive::{Archive, BodyRecorder};
use callsign_store::ledger::{Ledger, Reader};
use callsign_store::limits::{Limiter, Refused as Limited};
use callsign_telemetry::metrics::Metrics;
use intake::Taken;
use settings::Settings;
use snapshot::{Snapshot, SnapshotError};

/// The proxy: what the data port serves. A clone is one reference.
#[derive(Clone, Debug)]
pub struct Proxy(Arc<Worker>);

/// What one runtime thread has for itself: connections to the upstream are never handed from thread to thread.
#[derive(Debug)]
struct Worker {
    upstream: Upstream,
    shared: Arc<Shared>,
}

/// What all of them share.
#[derive(Debug)]
struct Shared {
    snapshot: ArcSwap<Snapshot>,
    metrics: Arc<Metrics>,
    in_flight: Arc<InFlight>,
    /// The bytes that all held bodies together may still take.
    hold: Arc<Semaphore>,
    /// Compressed bodies that may still be read at the same time.
    decoders: Arc<Semaphore>,
    auditor: Auditor,
    ledger: Ledger,
    archive: Archive,
    limiter: Limiter,
    reader: Option<Reader>,
}

/// How many compressed bodies are read at the same time; each may need a window of 16 MiB.
const DECODERS: usize = 16;

/// What stays as it is while callsign runs, whatever configuration is in force.
#[derive(Debug)]
pub struct ProxyDeps {
    /// The numbers for `/metrics`.
    pub metrics: Arc<Metrics>,
    /// Reads some bodies again.
    pub auditor: Auditor,
    /// Counts requests in flight.
    pub in_flight: Arc<InFlight>,
    /// Where requests are written down.
    pub ledger: Ledger,
    /// Where they are archived.
    pub archive: Archive,
    /// Counts what each caller uses, and knows who is stopped.
    pub limiter: Limiter,
    /// Where callers' questions about themselves are answered from.
    pub reader: Option<Reader>,
    /// `CALLSIGN_HOLD_TOTAL_BYTES`.
    pub buffer_total: u64,
}

/// A refusal, with what is left of the upload: it is read to its end before the answer is given.
struct Refused {
    refusal: Refusal,
    rest: Option<Upload>,
}

impl Proxy {
    /// A proxy that works by `snapshot` until told otherwise.
    pub fn new(snapshot: Snapshot, upstream: Upstream, fixtures: ProxyDeps) -> Self {
        let ProxyDeps { metrics, auditor, in_flight, ledger, archive, limiter, reader, buffer_total } = fixtures;
        let permits = usize::try_from(buffer_total).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let hold = Arc::new(Semaphore::new(permits));
        let decoders = Arc::new(Semaphore::new(DECODERS));
        let snapshot = ArcSwap::from_pointee(snapshot);
        let shared = Shared { snapshot, metrics, in_flight, hold, decoders, auditor, ledger, archive, limiter, reader };
        Self(Arc::new(Worker { upstream, shared: Arc::new(shared) }))
    }

    /// The same proxy with a pool of its own, for another runtime thread.
    #[must_use]
    pub fn with_upstream(&self, upstream: Upstream) -> Self {
        Self(Arc::new(Worker { upstream, shared: Arc::clone(&self.0.shared) }))
    }

    /// The configuration in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.shared.snapshot.load_full()
    }

    /// Takes a new configuration into force; requests that have begun end under the old one.
    ///
    /// # Errors
    /// [`SnapshotError`]; the old one then stays.
    pub fn replace_settings(&self, settings: &Settings) -> Result<(), SnapshotError> {
        let fresh = Snapshot::new(settings, Some(&self.snapshot()))?;
        self.0.shared.snapshot.store(Arc::new(fresh));
        Ok(())
    }

    /// The way of one request.
    async fn forward(
        &self,
        snapshot: &Snapshot,
        parts: &Parts,
        upload: Upload,
        peer: Peer,
        mut account: Box<RequestRecord>,
    ) -> Result<Response<Answer>, (Refused, Box<RequestRecord>)> {
        if let Some(shed) = peer.shed {
            return Err((Refused { refusal: shed.into(), rest: Some(upload) }, account));
        }
        if !self.0.shared.ledger.is_available() {
            return Err((Refused { refusal: Refusal::ledger_unavailable(), rest: Some(upload) }, account));
        }
        let mut identified = admit::identify(snapshot, parts, peer, &mut account);
        if let Err(Refusal { unknown_key: Some(unknown_key), .. }) = &identified
            && snapshot.issuers.refresh(unknown_key).await
        {
            identified = admit::identify(snapshot, parts, peer, &mut account);
        }
        let admitted = match identified {
            Ok(identified) => match pass::pass(&self.0.shared.limiter, snapshot, &identified, &mut account).await {
                Ok(()) => identified.admit(snapshot, parts, &mut account),
                Err(refused) => Err(refused.into()),
            },
            Err(refusal) => Err(refusal),
        };
        let mut admitted = match admitted {
            Ok(admitted) => admitted,
            Err(refusal) => return Err((Refused { refusal, rest: Some(upload) }, account)),
        };
        if let Some(asked) = admitted.asked() {
            // Apart, so that not every request is moved about with room for it.
            match Box::pin(asked.answer(self.0.shared.reader.as_ref())).await {
                Ok(None) => {}
                Ok(Some(answer)) => {
                    account.answers(answer.status().as_u16());
                    return Ok(answer.map(|body| Answer::own(body, account)));
                }
                Err(unanswered) => return Err((Refused { refusal: unanswered.into(), rest: Some(upload) }, account)),
            }
        }
        let (outgoing, streaming) = match self.take(snapshot, &mut admitted, upload, account.tape()).await {
            Ok(taken) => taken,
            Err(refused) => return Err((refused, account)),
        };
        let request = admitted.request(outgoing);
        account.goes_upstream();
        let progress = streaming.as_ref().map(|(progress, _)| Arc::clone(progress));
        let answer = tokio::select! {
            biased;
            () = account.cut() => Err(Limited::Blocked.into()),
            answer = self.0.upstream.send(request, progress.as_deref()) => answer.map_err(|error| {
                account.failed(&error);
                error.into()
            }),
        };
        match answer {
            Ok(answer) => Ok(self.relay(snapshot, answer, account, progress).await),
            Err(refusal) => {
                let rest = match streaming {
                    Some((_, returned)) => refuse::given_back(returned).await,
                    None => None,
                };
                Err((Refused { refusal, rest }, account))
            }
        }
    }

    /// Reads what is to be held, or begins to stream.
    async fn take(
        &self,
        snapshot: &Snapshot,
        admitted: &mut Prepared,
        upload: Upload,
        tape: Option<&BodyRecorder>,
    ) -> Result<(Outgoing, Option<(Arc<UploadState>, oneshot::Receiver<Upload>)>), Refused> {
        let Some((rewriter, coding)) = admitted.rewriter(snapshot) else { return Ok((Outgoing::Empty, None)) };
        let upload = match coding {
            None => upload,
            Some(coding) => match Arc::clone(&self.0.shared.decoders).try_acquire_owned() {
                Ok(slot) => upload.decoded(coding, snapshot.limits.max_body, slot),
                Err(_) => return Err(Refused { refusal: OverloadError::Decoders.into(), rest: Some(upload) }),
            },
        };
        match intake::take(upload, rewriter, snapshot.limits, &self.0.shared.hold).await {
            Ok(Taken::Whole(held, rewriter)) => {
                if let Rewriter::Json(filter) = &rewriter {
                    self.0.shared.auditor.sample(|| sample(&held, filter));
                }
                if let Some(tape) = tape {
                    held.pieces().for_each(|piece| tape.push(piece));
                }
                Ok((Outgoing::Held(held), None))
            }
            Ok(Taken::Begun(begun)) => {
                let progress = Arc::new(UploadState::begin());
                let (streaming, returned) = Streaming::new(*begun, Arc::clone(&progress), tape.cloned());
                Ok((Outgoing::Streaming(Box::new(streaming)), Some((progress, returned))))
            }
            Err((spoiled, rest)) => Err(Refused { refusal: spoiled.into(), rest: Some(rest) }),
        }
    }

    /// Passes OpenRouter's answer on.
    async fn relay(
        &self,
        snapshot: &Snapshot,
        answer: Response<hyper::body::Incoming>,
        mut account: Box<RequestRecord>,
        upload: Option<Arc<UploadState>>,
    ) -> Response<Answer> {
        let (mut parts, body) = answer.into_parts();
        account.answered(parts.status.as_u16(), &parts.headers);
        clean_response(&mut parts.headers);
        account.relays(&parts.headers);
        parts.extensions.clear();
        parts.version = http::Version::HTTP_11;
        if snapshot.redact_account && relay::may_name_account(&parts) {
            if let Some(body) = relay::redact_account(body).await {
                account.outcome = Outcome::Complete;
                return Response::from_parts(parts, Answer::own(body, account));
            }
            parts.headers.remove(http::header::CONTENT_LENGTH);
            account.outcome = Outcome::UpstreamCut;
            return Response::from_parts(parts, Answer::own(Bytes::new(), account));
        }
        Response::from_parts(parts, Answer::relayed(body, account, snapshot.idle_timeout, upload))
    }
}

/// What the self-audit looks at.
fn sample(held: &Held, filter: &Filter) -> Sample {
    Sample {
        body: held.pieces().cloned().collect(),
        members: filter.members().to_owned(),
        bound: filter.binds(),
        owned: Arc::clone(filter.reserved_fields()),
    }
}

impl Handler for Proxy {
    type Body = Answer;

    async fn handle(&self, request: Request<Upload>, peer: Peer) -> Response<Answer> {
        let snapshot = self.snapshot();
        let (parts, upload) = request.into_parts();
        if let Some(preflight) = snapshot.cors.preflight(&parts, snapshot.has_ledger) {
            return preflight;
        }
        let account = RequestRecord::open(&self.0.shared.metrics, &self.0.shared.in_flight, &self.0.shared.ledger)
            .archived_in(&self.0.shared.archive);
        let account = Box::new(account);
        let mut response = match self.forward(&snapshot, &parts, upload, peer, account).await {
            Ok(response) => response,
            Err((refused, account)) => {
                Box::pin(refuse::answer(refused, &parts, account, snapshot.limits.max_body)).await
            }
        };
        snapshot.cors.allow(&parts.headers, response.headers_mut());
        response
    }
}
