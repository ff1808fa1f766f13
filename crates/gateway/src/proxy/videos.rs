//! Video jobs: a job belongs to the caller who created it (`docs/SPEC.md#videos`).
//!
//! The owner of a job is the caller of the ledger row of the request that created it. `job_answer` writes that row before
//! the job's id leaves.

use callsign_core::endpoint::video::{VideoPath, is_job_id};
use callsign_core::rewrite::outer::{OuterMembers, PreviousJob};
use callsign_store::ledger::{LedgerError, Reader};
use http::header::{CONTENT_DISPOSITION, IF_RANGE, RANGE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue};
use jiff::{SignedDuration, Timestamp};

use super::identify::{CallerRequest, RequestKind};
use super::person::Person;
use super::snapshot::Snapshot;
use crate::job_error::{JobError, MOST_OPEN_JOBS, NeedsLedgerError};

/// Age from which a job whose cost is not known no longer counts as open. Then its cost is no longer looked up either.
const OPEN: SignedDuration = SignedDuration::from_hours(24);

/// The check of a request that creates a job.
#[derive(Debug)]
pub(super) struct NewJob {
    reader: Option<Reader>,
    person: Person,
}

impl NewJob {
    /// Returns the check of this request; `None` if it creates no job.
    pub(super) fn check_of(snapshot: &Snapshot, request: &CallerRequest<'_>, reader: Option<&Reader>) -> Option<Self> {
        let RequestKind::Inference(inference, _) = request.kind else { return None };
        let is_checked = inference.creates_jobs() && !snapshot.unowned_jobs;
        is_checked.then(|| Self { reader: reader.cloned(), person: Person::of(&request.caller) })
    }

    /// Checks that the ledger can tell whose the job is, that it is not one too many, and that the job that it continues
    /// is the caller's.
    ///
    /// # Errors
    /// [`JobError`].
    pub(super) async fn check(self, previous: Result<Option<String>, JobError>) -> Result<(), JobError> {
        let reader = self.reader.ok_or(NeedsLedgerError)?;
        if let Some(id) = previous?
            && !self.person.owns(&reader.owner_of_job(&id).await.map_err(|error| unavailable(&error))?)
        {
            return Err(JobError::NotYours);
        }
        let since = Timestamp::now() - OPEN;
        let open = reader.open_jobs(&self.person.0, since).await.map_err(|error| unavailable(&error))?;
        if open < MOST_OPEN_JOBS { Ok(()) } else { Err(JobError::TooManyOpen) }
    }
}

/// Returns the job that a request continues.
///
/// # Errors
/// [`JobError::UnusablePrevious`] if it is not one plain id.
pub(super) fn previous(outer: &OuterMembers) -> Result<Option<String>, JobError> {
    match outer.previous_job() {
        None => Ok(None),
        Some(PreviousJob::Id(id)) if is_job_id(id) => Ok(Some(id.to_owned())),
        Some(PreviousJob::Id(_) | PreviousJob::Unusable) => Err(JobError::UnusablePrevious),
    }
}

/// Checks that a job is the caller's.
///
/// # Errors
/// [`JobError`].
pub(super) async fn check_owner(
    request: &CallerRequest<'_>,
    reader: Option<&Reader>,
    video: &VideoPath,
) -> Result<(), JobError> {
    let reader = reader.ok_or(NeedsLedgerError)?;
    let owners = reader.owner_of_job(video.id()).await.map_err(|error| unavailable(&error))?;
    if Person::of(&request.caller).owns(&owners) { Ok(()) } else { Err(JobError::NotFound) }
}

fn unavailable(error: &LedgerError) -> JobError {
    tracing::warn!(%error, "the owner of a video job is unknown: the ledger could not be read");
    JobError::LedgerUnavailable
}

/// Returns the query that is sent upstream: only `index`, which selects one of several videos.
///
/// # Errors
/// [`JobError::Index`].
pub(super) fn query(video: &VideoPath, query: Option<&str>) -> Result<Option<String>, JobError> {
    let mut indexes = query.unwrap_or_default().split('&').filter(|pair| pair.split('=').next() == Some("index"));
    let (index, further) = (indexes.next(), indexes.next());
    let Some(index) = index.filter(|_| video.is_content()) else { return Ok(None) };
    let digits = index.strip_prefix("index=").filter(|digits| (1..=9).contains(&digits.len()));
    match digits.filter(|digits| further.is_none() && digits.bytes().all(|byte| byte.is_ascii_digit())) {
        Some(_) => Ok(Some(index.to_owned())),
        None => Err(JobError::Index),
    }
}

/// Returns the `range` that is sent upstream: one simple range. Any other is ignored, as RFC 9110 (section 14.2) permits,
/// and so is one that depends on `if-range`.
pub(super) fn range(asked: &HeaderMap) -> Option<HeaderValue> {
    let mut ranges = asked.get_all(RANGE).iter();
    let (Some(range), None, None) = (ranges.next(), ranges.next(), asked.get(IF_RANGE)) else { return None };
    let (first, last) = range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
    let is_number = |text: &str| text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(first) && is_number(last) && !(first.is_empty() && last.is_empty())).then(|| range.clone())
}

/// Keeps browsers from showing a video as a page of callsign's origin.
pub(super) fn protect(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
}

#[cfg(test)]
mod tests {
    use callsign_core::endpoint::Endpoint;
    use http::Method;

    use super::*;

    fn video(path: &str) -> VideoPath {
        match Endpoint::find(&Method::GET, path, false, true) {
            Ok(Endpoint::Video(video)) => video,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_a_plain_index_is_sent() {
        let (content, state) = (video("/v1/videos/j/content"), video("/v1/videos/j"));
        for (given, sent) in [
            (None, Ok(None)),
            (Some("x=1&user=eve"), Ok(None)),
            (Some("x=1&index=12&y"), Ok(Some("index=12".to_owned()))),
            (Some("index="), Err(JobError::Index)),
            (Some("index"), Err(JobError::Index)),
            (Some("index=-1"), Err(JobError::Index)),
            (Some("index=1%30"), Err(JobError::Index)),
            (Some("index=1234567890"), Err(JobError::Index)),
            (Some("index=1&index=1"), Err(JobError::Index)),
        ] {
            assert_eq!(query(&content, given), sent, "{given:?}");
            assert_eq!(query(&state, given), Ok(None), "{given:?}");
        }
    }

    #[test]
    fn only_one_simple_range_is_sent() {
        let of = |pairs: &[(&'static str, &'static str)]| {
            let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
            range(&headers.collect())
        };
        for simple in ["bytes=0-", "bytes=0-99", "bytes=-5"] {
            assert_eq!(of(&[("range", simple)]), Some(HeaderValue::from_static(simple)));
            assert_eq!(of(&[("range", simple), ("if-range", "\"x\"")]), None);
        }
        for other in ["bytes=-", "bytes=0-1,5-6", "lines=0-1", "bytes=a-b", "bytes 0-1", "bytes=0- 1", ""] {
            assert_eq!(of(&[("range", other)]), None, "{other}");
        }
        let mut twice = HeaderMap::new();
        twice.append(RANGE, HeaderValue::from_static("bytes=0-1"));
        twice.append(RANGE, HeaderValue::from_static("bytes=0-1"));
        assert_eq!(range(&twice), None);
    }
}
