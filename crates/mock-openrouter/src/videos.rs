//! Video jobs: `POST /videos` creates one, which `GET /videos/{id}` and `GET /videos/{id}/content` read.
//!
//! A job is finished once its generation record exists, so `mock/late-record-N` makes it unfinished for N reads.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::errors;
use super::generations::LookedUp;
use super::money::dollars;
use super::plan::Plan;
use super::reply::Reply;

/// The video of every job.
const VIDEO: &[u8] = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom a video of the mock OpenRouter";

/// Answers `POST /videos`.
pub(super) fn created(reply: &Reply<'_>) -> Plan {
    Plan::json(StatusCode::ACCEPTED, &state(&reply.id, "pending"))
}

/// Returns the job and true for its content, if this is the path of one.
pub(super) fn path(path: &str) -> Option<(&str, bool)> {
    match path.split('/').collect::<Vec<_>>()[..] {
        ["videos", id] if id != "models" => Some((id, false)),
        ["videos", id, "content"] => Some((id, true)),
        _ => None,
    }
}

/// Answers a read of a job.
pub(super) fn read(id: &str, is_content: bool, found: LookedUp) -> Plan {
    match found {
        LookedUp::Unknown => errors::error("videos", StatusCode::NOT_FOUND, "Video job not found", ""),
        LookedUp::NotYet if is_content => {
            errors::error("videos", StatusCode::BAD_REQUEST, "Video job is not completed", "")
        }
        LookedUp::NotYet => Plan::json(StatusCode::OK, &state(id, "in_progress")),
        LookedUp::Found(_) if is_content => Plan::whole(StatusCode::OK, "video/mp4", Bytes::from_static(VIDEO)),
        LookedUp::Found(generation) => {
            let mut body = state(id, "completed");
            body["usage"] = json!({"cost": dollars(generation.took.cost()), "is_byok": false});
            body["urls"] = json!([format!("https://cdn.invalid/{id}.mp4?signature=of-the-mock")]);
            body["unsigned_urls"] = json!([format!("https://openrouter.ai/api/v1/videos/{id}/content?index=0")]);
            Plan::json(StatusCode::OK, &body)
        }
    }
}

fn state(id: &str, status: &str) -> Value {
    let polling_url = format!("https://openrouter.ai/api/v1/videos/{id}");
    json!({"id": id, "generation_id": id, "polling_url": polling_url, "status": status})
}
