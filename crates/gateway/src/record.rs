//! The record of one request: gathers what each step of the pipeline learns, and reports the request's end once.
//!
//! [`RequestRecord::finish`] is the only place where a request ends. It builds one `RequestEnd` and hands it to
//! metrics, log, limits, archive and ledger. It runs when the last byte of a response is about to leave, or when the
//! record is dropped. The record must not hold prompts, replies or credentials, apart from what an archive encrypts.

mod answer;
mod end;
mod jobs;
mod ledger_row;
mod limits;

use std::sync::Arc;
use std::task::Context;
use std::time::{Duration, Instant};

use bytes::Bytes;
use callsign_core::endpoint::Inference;
use callsign_core::identity::Identifiers;
use callsign_core::identity::attribution::Attribution;
use callsign_core::identity::caller_identity::{CallerIdentity, Holder};
use callsign_core::request_id::RequestId;
use callsign_core::rewrite::outer::OuterMembers;
use callsign_core::shed::OverloadError;
use callsign_core::usage::judgement::{Bill, Facts, Judgement, Payer};
use callsign_core::usage::outcome::Outcome;
use callsign_store::archive::{self, Archive, ArchiveUnavailableError, BodyRecorder, Recording};
use callsign_store::ledger::{Begun, Committed, Ledger, Name};
use callsign_store::limits::rates::Rates;
use callsign_store::limits::{Raiser, Reservation, Suspect, Watcher};
use callsign_telemetry::metrics::Metrics;
use callsign_telemetry::metrics::read_on::ReadOnResult;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;

use crate::account::Account;
use crate::pending::PendingCosts;
use crate::prices::{CallerDigest, Prices};
use crate::shed::{InFlight, ReadOnSlot, Slot};
use crate::upstream::UpstreamError;
use crate::upstream::upload_state::UploadState;
use answer::AnswerReader;
use end::RequestEnd;
use ledger_row::LedgerRow;
use limits::LimitUse;

/// The state of one request. Dropping it ends the request if nothing has ended it before.
#[derive(Debug)]
pub struct RequestRecord {
    /// The endpoint's name, one of a fixed set.
    pub endpoint: &'static str,
    /// The name of the caller's key, once the caller is known. Also that of a key that is disabled or has expired.
    pub key: Option<String>,
    /// The reason why the key named in `key` is refused.
    pub reason: Option<&'static str>,
    /// The attribution of an inference request to a user.
    pub attribution: Option<Attribution>,
    /// The OpenRouter key that pays for an inference request; `None` for a key of the caller.
    pub account: Option<Arc<Account>>,
    /// True if the caller's key is that of an app. The name of a personal key may name its user.
    pub by_app: bool,
    /// The status of the answer; 0 until there is one.
    pub status: u16,
    /// callsign's own error code, if callsign answers the request itself.
    pub code: Option<&'static str>,
    /// The limit that refuses the request.
    pub limit: Option<&'static str>,
    /// The model that the client asks for, once the body has been read.
    pub requested_model: Option<Name>,
    /// The start of the request in microseconds since 1970.
    pub began_us: i64,
    /// The request's outcome, or the one that it would have if it ended now.
    pub outcome: Outcome,
    /// Bytes of the request's body, as announced by the client.
    pub request_bytes: u64,
    /// Bytes of the answer's body so far.
    pub response_bytes: u64,
    id: RequestId,
    began: Instant,
    inference: Option<&'static Inference>,
    /// The upload of a streamed body, which tells the requested model at its end.
    upload: Option<Arc<UploadState>>,
    /// The length of the answer's body, if its head announced one.
    announced: Option<u64>,
    /// The time from the request's head to the head of OpenRouter's answer.
    head: Option<Duration>,
    /// The time from the request's head to the client's departure, if the answer is read on after it.
    left: Option<Duration>,
    /// The time from the request's head to the first output.
    first_output: Option<Duration>,
    answer: AnswerReader,
    /// The job whose state the answer tells.
    job: Option<String>,
    row: LedgerRow,
    archive: Archive,
    recording: Option<Box<Recording>>,
    limits: LimitUse,
    /// The caller's in-flight slot.
    slot: Option<Slot>,
    in_flight: Arc<InFlight>,
    metrics: Arc<Metrics>,
    finished: bool,
}

/// Returns true if an answer with this status shows that OpenRouter knows the caller's own key. A proxy in front of
/// OpenRouter answers 403, 429 and 5xx whatever the key is.
fn proves_key(status: u16) -> bool {
    !matches!(status, 401 | 403 | 407 | 408 | 429 | 500..)
}

impl RequestRecord {
    /// Starts the record of a request whose head has arrived.
    pub fn begin(
        (id, began_us): (RequestId, i64),
        metrics: &Arc<Metrics>,
        in_flight: &Arc<InFlight>,
        (ledger, pending): (&Ledger, Option<&Arc<PendingCosts>>),
        archive: &Archive,
    ) -> Box<Self> {
        metrics.in_flight.inc();
        Box::new(Self {
            endpoint: "none",
            key: None,
            reason: None,
            attribution: None,
            account: None,
            by_app: false,
            status: 0,
            code: None,
            limit: None,
            requested_model: None,
            began_us,
            outcome: Outcome::default(),
            request_bytes: 0,
            response_bytes: 0,
            id,
            began: Instant::now(),
            inference: None,
            upload: None,
            announced: None,
            head: None,
            left: None,
            first_output: None,
            answer: AnswerReader::default(),
            job: None,
            row: LedgerRow::new(ledger.clone(), pending.cloned()),
            archive: archive.clone(),
            recording: None,
            limits: LimitUse::default(),
            slot: None,
            in_flight: Arc::clone(in_flight),
            metrics: Arc::clone(metrics),
            finished: false,
        })
    }

    /// Returns the request's id.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// Takes an in-flight slot for the caller, until the record is dropped.
    ///
    /// # Errors
    /// [`OverloadError`] if no slot is free.
    pub fn enter(&mut self, caller: &CallerIdentity<'_>) -> Result<(), OverloadError> {
        self.slot = Some(self.in_flight.enter(caller)?);
        Ok(())
    }

    /// Records the identifiers of an inference request.
    pub fn identified(&mut self, endpoint: &'static Inference, identifiers: &Identifiers<'_>) {
        self.inference = Some(endpoint);
        for omission in &identifiers.omitted {
            self.metrics.omitted.count(*omission);
        }
        self.metrics.attribution.count_identifiers(identifiers);
    }

    /// Returns the metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Returns true if there is a ledger.
    pub fn has_ledger(&self) -> bool {
        self.row.is_on()
    }

    /// Stores the first part of the request's ledger row.
    pub fn know(&mut self, begun: Begun) {
        self.row.know(begun);
        if let Some(endpoint) = self.inference {
            self.answer.read_as(endpoint);
        }
    }

    /// Records what the body asks for: at once if it is complete, else at the end of the upload.
    pub fn asks(&mut self, outer: Option<&OuterMembers>, upload: Option<Arc<UploadState>>) {
        let model = outer.and_then(OuterMembers::requested_model);
        self.requested_model = model.map(|model| model.as_str().into());
        self.upload = upload;
    }

    /// Stores the request's use of its caller's limits: `watcher` ends the request when the caller is blocked,
    /// `reservation` is settled at the request's end, `suspect` counts refusals by providers, and `prices` learn the
    /// cost, if a budget applies.
    pub fn limited(
        &mut self,
        endpoint: &'static Inference,
        watcher: Watcher,
        reservation: Option<Reservation>,
        suspect: Option<Suspect>,
        prices: Option<(Prices, CallerDigest)>,
    ) {
        if suspect.is_some() || prices.is_some() {
            self.answer.read_as(endpoint);
        }
        self.limits.prices = prices;
        self.limits.watcher = Some(watcher);
        self.limits.reservation = reservation;
        self.limits.suspect = suspect;
    }

    /// Returns a handle that raises the reservation once the body is known; `None` without a budget.
    pub fn raiser(&self) -> Option<Raiser> {
        self.limits.reservation.as_ref().and_then(Reservation::raiser)
    }

    /// Returns the headers about the caller's limits.
    pub fn rates(&self) -> Rates {
        self.limits.reservation.as_ref().map(Reservation::rates).unwrap_or_default()
    }

    /// Returns true if requests may be archived.
    pub fn may_be_archived(&self) -> bool {
        self.archive.is_on()
    }

    /// Begins to archive the request.
    ///
    /// # Errors
    /// [`ArchiveUnavailableError`] if the request must be archived and cannot be.
    pub fn archive(
        &mut self,
        endpoint: &'static Inference,
        begun: impl FnOnce() -> archive::Begun,
        caller: Holder<'_>,
    ) -> Result<(), ArchiveUnavailableError> {
        self.recording = self.archive.begin(begun, self.request_bytes, caller)?.map(Box::new);
        if self.recording.is_some() {
            self.answer.read_as(endpoint);
        }
        Ok(())
    }

    /// Returns the recorder of the outgoing body, if the request is archived.
    pub fn body_recorder(&self) -> Option<BodyRecorder> {
        self.recording.as_deref().map(Recording::request).cloned()
    }

    /// Records that the request goes upstream.
    pub fn sent(&mut self) {
        if let Some(attribution) = self.attribution {
            // Callers with their own OpenRouter key answer for their traffic themselves.
            let key = self.key.as_deref().filter(|_| self.account.is_some());
            self.metrics.attribution.count_request(attribution, key, self.began);
        }
        self.row.begin();
        if let Some(recording) = &mut self.recording {
            recording.goes_upstream();
        }
        self.limits.left = true;
    }

    /// Records that OpenRouter did not answer. The caller is charged nothing if OpenRouter certainly ran nothing.
    pub fn failed(&mut self, error: &UpstreamError) {
        self.limits.left = !error.nothing_ran();
    }

    /// Waits until the operator blocks the caller.
    pub async fn blocked(&mut self) {
        match &mut self.limits.watcher {
            Some(watcher) => watcher.cut().await,
            None => std::future::pending().await,
        }
        self.metrics.limits.cut.inc();
    }

    /// Returns true if the operator has blocked the caller. Costs one atomic load while no caller is blocked.
    pub fn is_blocked(&mut self) -> bool {
        let blocked = self.limits.watcher.as_mut().is_some_and(Watcher::is_cut);
        self.cut_if(blocked)
    }

    /// Returns true if the operator has blocked the caller; otherwise wakes the task when that changes.
    pub fn poll_blocked(&mut self, context: &mut Context<'_>) -> bool {
        let blocked = self.limits.watcher.as_mut().is_some_and(|watcher| watcher.poll_cut(context).is_ready());
        self.cut_if(blocked)
    }

    fn cut_if(&mut self, blocked: bool) -> bool {
        if blocked {
            self.metrics.limits.cut.inc();
            self.outcome = Outcome::Blocked;
            self.code = Some("user_blocked");
        }
        blocked
    }

    /// Records the head of OpenRouter's answer.
    pub fn answered(&mut self, status: u16, headers: &HeaderMap) {
        self.status = status;
        self.head = Some(self.began.elapsed());
        if proves_key(status) {
            self.limits.accepted();
            self.row.accept();
        }
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        self.announced = length.and_then(|length| length.parse().ok());
        if let Some(endpoint) = self.inference.filter(|_| status == 403 && self.account.is_some()) {
            // The body tells a refused key from a refused prompt.
            self.answer.read_as(endpoint);
        }
        if let Some(generation) = self.answer.begin(headers) {
            self.metrics.attribution.count_generation();
            self.row.answered(generation);
        }
        if let Some(recording) = &mut self.recording {
            recording.answered(headers);
        }
    }

    /// Records the headers that the client gets.
    pub fn relayed_headers(&mut self, headers: &HeaderMap) {
        if let Some(recording) = &mut self.recording {
            recording.relays(headers);
        }
    }

    /// Records a piece of the answer's body. Returns the position of the byte with which the client has the whole
    /// answer, if it is in this piece.
    pub fn relayed(&mut self, bytes: &Bytes) -> Option<usize> {
        self.response_bytes += bytes.len() as u64;
        let seen = self.answer.read(bytes);
        if seen.first_output {
            self.first_output = Some(self.began.elapsed());
        }
        if let Some(recording) = &self.recording {
            recording.passed(bytes);
        }
        seen.final_at
    }

    /// Returns true if reading the rest of the answer's body on would tell its usage.
    pub fn can_be_read_on(&self) -> bool {
        !self.finished && self.outcome == Outcome::ClientGone && self.reads_document()
    }

    /// Returns true if the answer's body is one document whose end has not been read.
    pub fn reads_document(&self) -> bool {
        self.answer.is_in_document()
    }

    /// Records that the client has left. Returns the permission to read the answer on, and the watcher that ends it.
    /// `None` if the answer must not be read on.
    pub fn leave(&mut self) -> Option<(ReadOnSlot, Watcher)> {
        let is_charged = self.inference.is_some_and(|inference| !inference.is_free());
        if self.finished || !is_charged || !(self.row.is_on() || self.limits.has_budget()) {
            return None;
        }
        let watcher = self.limits.watcher.take().filter(|watcher| !watcher.is_blocked())?;
        let slot = self.slot.as_ref()?.read_on();
        if slot.is_none() {
            self.was_read_on(ReadOnResult::Full);
        }
        let slot = slot?;
        self.left = Some(self.began.elapsed());
        self.limits.client_left();
        Some((slot, watcher))
    }

    /// Reads a piece of the answer's body that no client gets.
    pub fn read_undelivered(&mut self, bytes: &[u8]) {
        let _undelivered = self.answer.read(bytes);
    }

    /// Counts the result of reading on.
    pub fn was_read_on(&self, result: ReadOnResult) {
        self.metrics.read_on.count(result);
    }

    /// Returns true if the end of the answer must wait for the ledger's row (`docs/SPEC.md#strict-mode`).
    pub fn waits_for_row(&self) -> bool {
        !self.finished && self.row.is_strict()
    }

    /// Records a successful answer of callsign itself.
    pub fn answered_by_callsign(&mut self, status: u16) {
        self.status = status;
        self.outcome = Outcome::Complete;
    }

    /// Records a refusal by callsign.
    pub fn refused(&mut self, status: u16, code: &'static str, overload: Option<OverloadError>) {
        self.status = status;
        self.code = Some(code);
        self.outcome = Outcome::Refused;
        if let Some(overload) = overload {
            self.metrics.count_overload(overload.reason());
        }
    }

    /// Ends the request: reports it to metrics, log, limits, archive and ledger. Only the first call has an effect. In
    /// `strict` mode it returns a future that is ready once the ledger's row is committed.
    pub fn finish(&mut self) -> Option<Committed> {
        if std::mem::replace(&mut self.finished, true) {
            return None;
        }
        if let Some(outer) = self.upload.as_ref().and_then(|upload| upload.outer()) {
            self.requested_model = outer.requested_model().map(|model| model.as_str().into());
        }
        let mut answer = self.answer.finish();
        self.take_job_cost(&mut answer);
        // The client did not get what was read on.
        answer.is_whole &= self.left.is_none();
        let judgement = Judgement::of(&Facts {
            outcome: self.outcome,
            upstream_status: self.head.map(|_| self.status),
            was_sent: self.limits.left,
            is_delivered: self.left.is_none() && self.announced == Some(self.response_bytes),
            payer: match &self.account {
                _ if self.inference.is_none_or(Inference::is_free) => Payer::Nobody,
                Some(_) => Payer::Operator,
                None => Payer::Caller,
            },
            code: self.code,
            answer: &answer,
        });
        let end = RequestEnd {
            id: self.id,
            endpoint: self.endpoint,
            key: self.key.as_deref(),
            status: self.status,
            code: self.code,
            reason: self.reason,
            limit: self.limit,
            attribution: self.attribution,
            judgement,
            requested_model: self.requested_model.take(),
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            head: self.head,
            first_output: self.first_output,
            duration: self.left.unwrap_or_else(|| self.began.elapsed()),
            answer,
        };
        end.count(&self.metrics);
        end.log();
        if let Some(account) = self.account.take() {
            end.judge(&account, &self.metrics);
            end.count_spending(&self.metrics, self.key.as_deref().filter(|_| self.by_app));
        }
        let has_budget = self.limits.has_budget();
        self.limits.settle(&end, self.row.is_reconciled());
        if end.judgement.bill == Bill::Pending {
            self.row.look_up(end.answer.generation.as_deref(), has_budget);
        }
        if let Some(recording) = self.recording.take() {
            recording.finish(end.for_archive());
        }
        self.row.finish(end.for_ledger())
    }

    /// Ends the request, and waits for the ledger's row in strict mode.
    pub async fn end(&mut self) {
        if self.waits_for_row()
            && let Some(committed) = self.finish()
        {
            committed.await;
        }
    }
}

impl Drop for RequestRecord {
    fn drop(&mut self) {
        let _nobody_waits = self.finish();
        self.metrics.in_flight.dec();
    }
}
