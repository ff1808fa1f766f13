//! Gives an answer of callsign's own, at a moment when the client can read it.
//!
//! A client that is still uploading when the answer comes and the connection closes sees a broken pipe and uploads again
//! (Node's fetch in nine of ten tries at 9 MiB). So the rest of the body is read and thrown away first, within limits.

use std::pin::Pin;
use std::time::Duration;

use http::header::EXPECT;
use http::request::Parts;
use http::{Response, Version};
use http_body::Body;
use tokio::sync::oneshot;

use super::Refused;
use crate::error::Code;
use crate::record::account::RequestRecord;
use crate::relay::Answer;
use crate::server::Upload;
use callsign_core::endpoint::Endpoint;

/// How long a refused upload is read for.
const PATIENCE: Duration = Duration::from_secs(10);
/// hyper drops a failed request's body a moment after it says so; longer than that nobody waits for it.
const GIVE_BACK: Duration = Duration::from_secs(1);

/// The rest of an upload whose request failed.
pub(super) async fn given_back(returned: oneshot::Receiver<Upload>) -> Option<Upload> {
    tokio::time::timeout(GIVE_BACK, returned).await.ok()?.ok()
}

/// The answer to a refused request. At most `limit` bytes of its body are read for it.
pub(super) async fn answer(
    refused: Refused,
    parts: &Parts,
    mut account: Box<RequestRecord>,
    limit: u64,
) -> Response<Answer> {
    // What is only thrown away need not be decoded.
    let read_whole = match refused.rest.map(Upload::into_raw) {
        None => false,
        // Who was too slow just now is not waited for once more.
        Some(_) if refused.refusal.code == Code::RequestTimeout => false,
        Some(rest) if rest.is_end_stream() => true,
        // The client waits for a word before it sends anything; this is the word.
        Some(rest) if !rest.is_polled() && parts.headers.contains_key(EXPECT) => false,
        Some(mut rest) => tokio::time::timeout(PATIENCE, discard(&mut rest, limit)).await.unwrap_or(false),
    };
    let code = refused.refusal.code;
    account.refused(code.status().as_u16(), code.name());
    if let Some(shed) = refused.refusal.shed {
        account.shed(shed);
    }
    // What is open to two readings has been read in one of them: nobody can say where the next request begins.
    let ends = refused.refusal.ends_connection() || code == Code::BadRequest;
    let close = (ends || !read_whole) && parts.version < Version::HTTP_2;
    let response = refused.refusal.response(Endpoint::dialect_of(parts.uri.path()), close);
    response.map(|body| Answer::own(body, account))
}

/// Reads a body to its end; `false` if there was more than `limit`, or it broke.
async fn discard(upload: &mut Upload, limit: u64) -> bool {
    let mut read = 0;
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut *upload).poll_frame(cx)).await {
        let Ok(data) = frame.map(|frame| frame.into_data().unwrap_or_default()) else { return false };
        read += data.len() as u64;
        if read > limit {
            return false;
        }
    }
    true
}
