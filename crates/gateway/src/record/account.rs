//! The account of one request: opened when its head has arrived, closed exactly once, whatever becomes of it.

use std::sync::Arc;
use std::task::Context;
use std::time::{Duration, Instant};

use super::row::{Closing, Row};
use super::use_of_limits::UseOfLimits;
use super::watch::Watch;
use bytes::Bytes;
use callsign_telemetry::logging::Untrusted;
use callsign_telemetry::metrics::Metrics;
use http::HeaderMap;

use crate::shed::{InFlight, Slot};
use crate::upstream::UpstreamError;
use callsign_core::endpoint::Inference;
use callsign_core::identity::caller_identity::CallerIdentity;
use callsign_core::identity::{Identifiers, Omission};
use callsign_core::shed::OverloadError;
use callsign_core::usage::outcome::Outcome;
use callsign_store::archive::{self, Archive, BodyRecorder, Recording, Unavailable};
use callsign_store::ledger::{Begun, Committed, Ledger};
use callsign_store::limits::{Reservation, Suspect, Watcher};

/// What is known of one request. Dropping it closes it: metrics are counted and the log line is written.
#[derive(Debug)]
pub struct RequestRecord {
    metrics: Arc<Metrics>,
    in_flight: Arc<InFlight>,
    /// The caller's place, given back with the account.
    slot: Option<Slot>,
    began: Instant,
    /// The endpoint's name, one of a fixed set.
    pub endpoint: &'static str,
    /// The key that let the caller in, once known.
    pub key: Option<String>,
    /// The status of the answer; 0 until there is one.
    pub status: u16,
    /// callsign's own error code, if it answered by itself.
    pub code: Option<&'static str>,
    /// How it ended.
    pub outcome: Outcome,
    /// Bytes of the request's body, if announced.
    pub request_bytes: u64,
    /// Bytes of the answer's body so far.
    pub response_bytes: u64,
    /// When the head of the upstream's answer came.
    first_byte: Option<Duration>,
    /// What its answer says.
    watch: Watch,
    /// Its row in the ledger.
    row: Row,
    /// Where it is archived.
    archive: Archive,
    /// What is archived of it, if it is.
    recording: Option<Box<Recording>>,
    /// What it holds of limits.
    limits: UseOfLimits,
    /// Whether all that is to be told of its end has been told.
    settled: bool,
}

impl RequestRecord {
    /// Opens an account.
    pub fn open(metrics: &Arc<Metrics>, in_flight: &Arc<InFlight>, ledger: &Ledger) -> Self {
        metrics.in_flight.inc();
        Self {
            metrics: Arc::clone(metrics),
            in_flight: Arc::clone(in_flight),
            slot: None,
            began: Instant::now(),
            endpoint: "none",
            key: None,
            status: 0,
            code: None,
            outcome: Outcome::default(),
            request_bytes: 0,
            response_bytes: 0,
            first_byte: None,
            watch: Watch::default(),
            row: Row::new(ledger.clone()),
            archive: Archive::off(),
            recording: None,
            limits: UseOfLimits::default(),
            settled: false,
        }
    }

    /// The same, of a request that may be archived there.
    #[must_use]
    pub fn archived_in(mut self, archive: &Archive) -> Self {
        self.archive = archive.clone();
        self
    }

    /// Whether requests are archived at all.
    pub fn may_be_archived(&self) -> bool {
        self.archive.is_on()
    }

    /// Begins to archive the request; `record` is handed what the ledger knows of it, if there is one.
    ///
    /// # Errors
    /// [`Unavailable`] when it must be archived and cannot be.
    pub fn archive(
        &mut self,
        endpoint: &'static Inference,
        record: impl FnOnce(Option<&Begun>) -> archive::Begun,
    ) -> Result<(), Unavailable> {
        let known = self.row.known();
        self.recording = self.archive.begin(|| record(known), self.request_bytes)?.map(Box::new);
        if self.recording.is_some() {
            self.watch.want(endpoint);
        }
        Ok(())
    }

    /// What records the body that goes upstream, if the request is archived.
    pub fn tape(&self) -> Option<&BodyRecorder> {
        self.recording.as_deref().map(Recording::request)
    }

    /// Notes who asks for what; `begun` is called if there is a ledger.
    pub fn know(&mut self, endpoint: &'static Inference, begun: impl FnOnce(&Ledger) -> Begun) {
        if self.row.is_on() {
            self.watch.want(endpoint);
            self.row.know(begun);
        }
    }

    /// Notes that the request goes upstream.
    pub fn goes_upstream(&mut self) {
        self.row.begin();
        if let Some(recording) = &mut self.recording {
            recording.goes_upstream();
        }
        self.limits.left = true;
    }

    /// Notes that it came to nothing there.
    pub fn failed(&mut self, error: &UpstreamError) {
        self.limits.left = !error.nothing_ran();
    }

    /// Holds what the request has reserved until it has ended.
    pub fn hold(&mut self, reservation: Reservation, endpoint: &'static Inference) {
        if reservation.has_budget() {
            self.watch.want(endpoint);
        }
        self.limits.reservation = Some(reservation);
    }

    /// Keeps whom to suspend if providers refuse too often.
    pub fn suspect(&mut self, suspect: Suspect, endpoint: &'static Inference) {
        self.watch.want(endpoint);
        self.limits.suspect = Some(suspect);
    }

    /// Watches for the operator to stop its caller.
    pub fn watch_cuts(&mut self, watcher: Watcher) {
        self.limits.watcher = Some(watcher);
    }

    /// Ends when the operator has stopped its caller.
    pub async fn cut(&mut self) {
        match &mut self.limits.watcher {
            Some(watcher) => watcher.cut().await,
            None => std::future::pending().await,
        }
        self.metrics.limits.cut.inc();
    }

    /// Whether the operator has stopped its caller. One load as long as nobody is.
    pub fn is_cut(&mut self) -> bool {
        let is_cut = self.limits.watcher.as_mut().is_some_and(Watcher::is_cut);
        if is_cut {
            self.cut_off();
        }
        is_cut
    }

    /// The same; otherwise the task is woken when there is news.
    pub fn poll_cut(&mut self, context: &mut Context<'_>) -> bool {
        let is_cut = self.limits.watcher.as_mut().is_some_and(|watcher| watcher.poll_cut(context).is_ready());
        if is_cut {
            self.cut_off();
        }
        is_cut
    }

    fn cut_off(&mut self) {
        self.metrics.limits.cut.inc();
        self.outcome = Outcome::Blocked;
        self.code = Some("user_blocked");
    }

    /// Takes a place in flight for this caller, until the account is closed.
    ///
    /// # Errors
    /// [`OverloadError`] when there is none.
    pub fn enter(&mut self, sources: &CallerIdentity<'_>) -> Result<(), OverloadError> {
        self.slot = Some(self.in_flight.enter(sources)?);
        Ok(())
    }

    /// Notes that the request was one too many.
    pub fn shed(&self, shed: OverloadError) {
        self.metrics.count_overload(shed.reason());
    }

    /// Notes that the head of the upstream's answer has come.
    pub fn answered(&mut self, status: u16, headers: &HeaderMap) {
        self.status = status;
        self.first_byte = Some(self.began.elapsed());
        if let Some(generation) = self.watch.answered(headers) {
            self.metrics.count_generation();
            self.row.answered(generation);
        }
        if let Some(recording) = &mut self.recording {
            recording.answered(headers);
        }
    }

    /// Notes the headers that are relayed of it.
    pub fn relays(&mut self, headers: &HeaderMap) {
        if let Some(recording) = &mut self.recording {
            recording.relays(headers);
        }
    }

    /// Notes bytes of the upstream's answer that pass.
    pub fn passed(&mut self, bytes: &Bytes) {
        self.response_bytes += bytes.len() as u64;
        self.watch.see(bytes);
        if let Some(recording) = &self.recording {
            recording.passed(bytes);
        }
    }

    /// Tells everybody who counts or keeps how it ended, once: with the account, or before the last byte of an answer is
    /// let go, which in `strict` mode waits for what is returned.
    pub fn settle(&mut self) -> Option<Committed> {
        if std::mem::replace(&mut self.settled, true) {
            return None;
        }
        let seen = self.watch.finish();
        self.metrics.add_usage(&seen.usage);
        self.limits.settle(self.first_byte.map(|_| self.status), &seen);
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let closing = Closing {
            outcome: self.outcome,
            status: self.status,
            code: self.code,
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            first_byte_us: self.first_byte.map(micros),
            duration_us: micros(self.began.elapsed()),
        };
        if let Some(recording) = self.recording.take() {
            recording.finish(archive::Finished {
                status: closing.status,
                outcome: closing.outcome.name(),
                code: closing.code,
                seen: seen.clone(),
                first_byte_us: closing.first_byte_us,
                duration_us: closing.duration_us,
            });
        }
        self.row.finish(closing, seen)
    }

    /// Notes that callsign answers what it was asked about the caller.
    pub fn answers(&mut self, status: u16) {
        self.status = status;
        self.outcome = Outcome::Complete;
    }

    /// Notes that callsign refuses by an answer of its own.
    pub fn refused(&mut self, status: u16, code: &'static str) {
        self.status = status;
        self.code = Some(code);
        self.outcome = Outcome::Refused;
    }

    /// Counts the identifiers that are written.
    pub fn written(&self, identifiers: &Identifiers<'_>) {
        self.metrics.count_identifiers(identifiers);
    }

    /// Counts the identifiers that were left out although their valve is on.
    pub fn omitted(&self, omissions: &[Omission]) {
        for omission in omissions {
            self.metrics.count_omission(*omission);
        }
    }
}

impl Drop for RequestRecord {
    fn drop(&mut self) {
        let _nobody_waits = self.settle();
        self.metrics.in_flight.dec();
        let duration = self.began.elapsed();
        self.metrics.request(self.endpoint, self.status, self.outcome.name(), duration, self.first_byte);
        self.metrics.request_bytes.inc_by(self.request_bytes);
        self.metrics.response_bytes.inc_by(self.response_bytes);
        if let Some(code) = self.code {
            self.metrics.count_refusal(code);
        }
        tracing::info!(
            endpoint = self.endpoint,
            status = self.status,
            outcome = self.outcome.name(),
            code = self.code,
            key = self.key.as_deref().map(Untrusted).map(tracing::field::display),
            duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            first_byte_ms = self.first_byte.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
            request_bytes = self.request_bytes,
            response_bytes = self.response_bytes,
            "request"
        );
    }
}
