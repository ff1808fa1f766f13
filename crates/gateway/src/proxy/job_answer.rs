//! Relays the answer that creates a video job: its owner is recorded before its id leaves (`docs/SPEC.md#videos`).

use std::sync::Arc;

use bytes::Bytes;
use callsign_core::endpoint::video::is_job_id;
use callsign_core::usage::outcome::Outcome;
use http::response::Parts;
use http::{Response, request};
use serde::Deserialize;
use serde_json::Value;

use super::snapshot::Snapshot;
use crate::error::Refusal;
use crate::record::RequestRecord;
use crate::relay::{Answer, ReadOn, WholeBody};
use crate::upstream::{AnswerBody, UpstreamError};
use callsign_core::endpoint::Endpoint;

#[derive(Deserialize)]
struct Job {
    id: String,
}

/// Relays the answer after its ledger row is committed. Without the row its creator could never read the job, so the
/// answer is then 503.
pub(super) async fn relay(
    snapshot: &Snapshot,
    asked: &request::Parts,
    parts: Parts,
    body: AnswerBody,
    record: Box<RequestRecord>,
    read_on: Option<Arc<ReadOn>>,
) -> Response<Answer> {
    let (body, mut record) = WholeBody::new(body, record, read_on).read(snapshot.idle_timeout).await;
    let refuse = |refusal: Refusal| refusal.response(Endpoint::dialect_of(asked.uri.path()), false);
    let Some(body) = body else {
        record.outcome = Outcome::UpstreamCut;
        record.end().await;
        return Answer::recorded(refuse(UpstreamError::Closed.into()), record);
    };
    record.outcome = Outcome::Complete;
    record.relayed_whole(&body, &without_signed_urls(&body));
    let Some(id) = job_id(&body) else {
        tracing::warn!("OpenRouter's answer to a video request has no job id; nobody can read the job");
        record.end().await;
        return Answer::recorded(Response::from_parts(parts, body), record);
    };
    if record.create_job(&id).await {
        return Answer::recorded(Response::from_parts(parts, body), record);
    }
    tracing::error!("ledger: the owner of a new video job could not be recorded; its creator got 503");
    Answer::recorded(refuse(Refusal::ledger_unavailable()), record)
}

fn job_id(body: &[u8]) -> Option<String> {
    let Job { id } = serde_json::from_slice(body).ok()?;
    is_job_id(&id).then_some(id)
}

/// Returns the body for the archive: everybody who has a signed URL can read the video.
fn without_signed_urls(body: &Bytes) -> Bytes {
    let Ok(Value::Object(mut job)) = serde_json::from_slice::<Value>(body) else { return body.clone() };
    let Some(Value::Array(urls)) = job.get_mut("urls") else { return body.clone() };
    urls.fill(Value::String(String::new()));
    Value::Object(job).to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_has_a_plain_id() {
        assert_eq!(job_id(br#"{"status":"pending","id":"gen-vid-1"}"#).as_deref(), Some("gen-vid-1"));
        for body in [r#"{"id":"a/b"}"#, r#"{"id":""}"#, r#"{"id":7}"#, r#"{"data":{"id":"x"}}"#, "", "[]"] {
            assert_eq!(job_id(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn signed_urls_are_blanked_for_the_archive() {
        let blank = |body: &'static str| without_signed_urls(&Bytes::from_static(body.as_bytes()));
        assert_eq!(
            blank(r#"{"id":"j","urls":["https://cdn/x?sig=1",2],"unsigned_urls":["https://o"]}"#),
            r#"{"id":"j","urls":["",""],"unsigned_urls":["https://o"]}"#
        );
        for same in [r#"{ "id": "j" }"#, r#"{"urls":null}"#, "html"] {
            assert_eq!(blank(same), same);
        }
    }
}
