//! Blanks the operator's account id in OpenRouter's error bodies (`CALLSIGN_REDACT_ACCOUNT`).
//!
//! This is the one deliberate exception to the byte-for-byte relay. OpenRouter's error bodies contain `user_id`, the id
//! of the operator's account or organisation. With it a reader can compute the identities that OpenRouter sends to
//! providers.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::response::Parts;
use http_body_util::{BodyExt, Limited};

use crate::upstream::AnswerBody;
use callsign_core::rewrite::{Filter, Output, ReservedFields};

/// Maximum size in bytes of an error body that is redacted. A longer body is not relayed.
const MOST: usize = 1024 * 1024;

/// Returns true if the response may contain the account's id: an uncompressed JSON error.
pub fn may_name_account(parts: &Parts) -> bool {
    !parts.status.is_success()
        && !parts.headers.contains_key(CONTENT_ENCODING)
        && parts.headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}

/// Returns the body with the value of `user_id` blanked and the length unchanged. Returns it unchanged if it is not a
/// JSON object, and `None` if it cannot be read or is too long.
pub async fn redact_account(body: AnswerBody) -> Option<Bytes> {
    let body = Limited::new(body, MOST).collect().await.ok()?.to_bytes();
    Some(blank(&body).unwrap_or(body))
}

fn blank(body: &Bytes) -> Option<Bytes> {
    let mut filter = Filter::new(Arc::new(ReservedFields::new(["user_id"], None)), String::new());
    let mut out = Output::default();
    filter.feed(body, &mut out).ok()?;
    filter.finish().ok()?;
    Some(out.into_pieces().flatten().collect::<Vec<_>>().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_accounts_id_is_blanked() {
        let body = Bytes::from_static(br#"{"error":{"code":404,"message":"user_id"},"user_id":"org_abc"}"#);
        let blanked = blank(&body).unwrap();
        assert_eq!(blanked.len(), body.len());
        let value: serde_json::Value = serde_json::from_slice(&blanked).unwrap();
        assert_eq!(value, serde_json::json!({"error": {"code": 404, "message": "user_id"}}));
        assert_eq!(blank(&Bytes::from_static(b"<html>")), None);
    }
}
