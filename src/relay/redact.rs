//! `CALLSIGN_REDACT_ACCOUNT`: blanks the operator's account id in OpenRouter's error bodies.
//!
//! The one deliberate exception to "byte for byte". OpenRouter puts `user_id` (the operator's account or organisation)
//! beside `error`, and whoever knows it can recompute the identities that providers are told.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::response::Parts;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use crate::rewrite::{Filter, Output, OwnedNames};

/// Error bodies are short. A longer one is not read whole, and is then not passed on either.
const MOST: usize = 1024 * 1024;

/// Whether this is an answer that could hold the account's id.
pub fn concerns(parts: &Parts) -> bool {
    !parts.status.is_success()
        && !parts.headers.contains_key(CONTENT_ENCODING)
        && parts.headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}

/// The body with the value blanked and its length unchanged; as it came, if it is no JSON object; `None` if it could not
/// be read whole.
pub async fn redact_account(body: Incoming) -> Option<Bytes> {
    let body = Limited::new(body, MOST).collect().await.ok()?.to_bytes();
    Some(blank(&body).unwrap_or(body))
}

fn blank(body: &Bytes) -> Option<Bytes> {
    let mut filter = Filter::new(Arc::new(OwnedNames::new(["user_id"], None)), String::new());
    let mut out = Output::default();
    filter.feed(body, &mut out).ok()?;
    filter.finish().ok()?;
    Some(out.into_pieces().flatten().collect::<Vec<_>>().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accounts_id_goes_and_nothing_else() {
        let body = Bytes::from_static(br#"{"error":{"code":404,"message":"user_id"},"user_id":"org_abc"}"#);
        let blanked = blank(&body).unwrap();
        assert_eq!(blanked.len(), body.len());
        let value: serde_json::Value = serde_json::from_slice(&blanked).unwrap();
        assert_eq!(value, serde_json::json!({"error": {"code": 404, "message": "user_id"}}));
        assert_eq!(blank(&Bytes::from_static(b"<html>")), None);
    }
}
