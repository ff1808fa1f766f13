//! The last step: passes an answer on to the client.

use std::sync::Arc;

use bytes::Bytes;
use callsign_core::rewrite::headers::clean_response;
use callsign_core::usage::outcome::Outcome;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Response, Uri};
use http_body::Body as _;

use super::snapshot::Snapshot;
use super::{job_answer, videos};
use crate::catalogue::{Catalogue, ListKey};
use crate::record::RequestRecord;
use crate::redirect::{self, UpstreamRedirectError};
use crate::relay::{self, Answer, ReadOn};
use crate::server::Upload;
use crate::upstream::request_body::UploadHandle;
use crate::upstream::{AnswerBody, PoolKey};

/// The parts of a request that the treatment of its answer needs.
pub(super) struct Sent {
    /// The requested URL.
    pub(super) target: Uri,
    /// True for a read of the catalogue.
    pub(super) is_catalogue: bool,
    /// True for the content of a video.
    pub(super) is_video: bool,
    /// The key under which the answer is cached.
    pub(super) list: Option<ListKey>,
    /// The pool of the account that pays; `None` if the caller pays.
    pub(super) account: Option<PoolKey>,
}

/// The outcome of the pipeline, apart from a refusal.
pub(super) enum Reply {
    /// An answer of callsign itself.
    Own(Response<Bytes>),
    /// OpenRouter's answer, and the upload if it is still running.
    Upstream(Response<AnswerBody>, Option<UploadHandle>),
}

/// Protects the answer from redirecting the client elsewhere.
///
/// # Errors
/// [`UpstreamRedirectError`] if the answer must not be relayed.
pub(super) fn check_redirect(
    snapshot: &Snapshot,
    asked: &Parts,
    sent: &Sent,
    reply: &mut Reply,
) -> Result<(), UpstreamRedirectError> {
    let Reply::Upstream(answer, _) = reply else { return Ok(()) };
    let (status, base) = (answer.status(), snapshot.base.path());
    if sent.is_video {
        videos::protect(answer.headers_mut());
    }
    redirect::check(asked, &sent.target, base, sent.is_catalogue, status, answer.headers_mut())
}

/// Records an answer that is not relayed, and ends its exchange, which gives the unread rest of the upload back.
pub(super) async fn end_exchange(reply: Reply, upload: &mut Option<Upload>, record: &mut RequestRecord) {
    let Reply::Upstream(answer, handle) = reply else { return };
    record.answered(answer.status().as_u16(), answer.headers());
    drop(answer);
    if let Some(handle) = handle {
        *upload = handle.recover().await;
    }
}

/// Sends an answer of callsign itself.
pub(super) async fn own_answer(answer: Response<Bytes>, mut record: Box<RequestRecord>) -> Response<Answer> {
    record.answered_by_callsign(answer.status().as_u16());
    Answer::own(answer, record).await
}

/// Relays OpenRouter's answer to the request with this head, and copies a list for the cache.
pub(super) async fn relay(
    snapshot: &Snapshot,
    asked: &Parts,
    answer: Response<AnswerBody>,
    handle: Option<UploadHandle>,
    mut record: Box<RequestRecord>,
    read_on: Option<Arc<ReadOn>>,
    list: Option<(ListKey, &Arc<Catalogue>)>,
) -> Response<Answer> {
    let (mut parts, body) = answer.into_parts();
    record.answered(parts.status.as_u16(), &parts.headers);
    clean_response(&mut parts.headers);
    for (name, value) in record.rates().headers() {
        // Numbers and units are valid header values. A header of OpenRouter's stays.
        if let Ok(value) = HeaderValue::from_str(&value) {
            parts.headers.entry(HeaderName::from_static(name)).or_insert(value);
        }
    }
    record.relayed_headers(&parts.headers);
    parts.extensions.clear();
    parts.version = http::Version::HTTP_11;
    if record.creates_job() && parts.status.is_success() && !snapshot.unowned_jobs {
        return job_answer::relay(snapshot, asked, parts, body, record, read_on).await;
    }
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
    let copy = list.and_then(|(list, catalogue)| catalogue.copy(list, parts.status, &parts.headers));
    let answer = Answer::relayed(body, record, snapshot.idle_timeout, upload, read_on);
    Response::from_parts(parts, answer.copied_to(copy))
}
