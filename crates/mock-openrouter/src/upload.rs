//! Reads a request body and looks for the model while reading, because two faults act before the end of the body.

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::Semaphore;

use super::behaviour::Behaviour;
use super::faults::Faults;
use super::names::PREFIX;

/// Number of leading body bytes that are searched for a model with behaviour.
const PEEKED_BYTES: usize = 16 * 1024;

/// Largest body in bytes; a larger one is answered with 413. OpenRouter does not document its limit.
const MAX_BYTES: usize = 128 * 1024 * 1024;

/// The result of reading a request body.
#[derive(Debug)]
pub(super) enum Upload {
    /// The complete body.
    Whole(Bytes),
    /// The request is answered with this status and not read further.
    Refused(StatusCode),
    /// The client disconnected, or violated the framing, before the end.
    Broken,
}

/// Reads `body` to its end, or until a fault answers early.
pub(super) async fn read(mut body: Incoming, gate: &Semaphore) -> Upload {
    let mut whole = BytesMut::new();
    let mut faults = Faults::default();
    let mut looking = true;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Upload::Broken };
        let Ok(data) = frame.into_data() else { continue };
        whole.extend_from_slice(&data);
        if whole.len() > MAX_BYTES {
            return Upload::Refused(StatusCode::PAYLOAD_TOO_LARGE);
        }
        if looking && let Some(model) = peek(whole.get(..PEEKED_BYTES.min(whole.len())).unwrap_or_default()) {
            looking = false;
            faults = Behaviour::of_model(&model).unwrap_or_default().faults;
            if let Some(status) = faults.early() {
                return Upload::Refused(status);
            }
        }
        looking &= whole.len() < PEEKED_BYTES;
        faults.delay_upload(gate).await;
    }
    Upload::Whole(whole.freeze())
}

/// Returns the model with behaviour in the beginning of a JSON or multipart body, if its complete name is there.
pub(super) fn peek(beginning: &[u8]) -> Option<String> {
    memchr::memmem::find_iter(beginning, PREFIX).find_map(|at| {
        let (before, from) = beginning.split_at_checked(at)?;
        let end = from.iter().position(|byte| !(byte.is_ascii_alphanumeric() || b"/+-_".contains(byte)))?;
        if is_model(before) { from.get(..end).map(|name| String::from_utf8_lossy(name).into_owned()) } else { None }
    })
}

/// Returns true if the text after `before` is the value of a member or a form part called `model`.
fn is_model(before: &[u8]) -> bool {
    if let Some(json) = before.strip_suffix(b"\"") {
        let colon = json.trim_ascii_end().strip_suffix(b":");
        return colon.is_some_and(|name| name.trim_ascii_end().ends_with(b"\"model\""));
    }
    before.ends_with(b"name=\"model\"\r\n\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_with_behaviour_is_found_early() {
        let seen = |text: &str| peek(text.as_bytes());
        assert_eq!(seen(r#"{"model" : "mock/early-401","#).as_deref(), Some("mock/early-401"));
        assert_eq!(seen(r#"{"a":"mock/hang","model":"mock/gate""#).as_deref(), Some("mock/gate"));
        assert_eq!(seen("name=\"model\"\r\n\r\nmock/gate\r\n--").as_deref(), Some("mock/gate"));
        assert_eq!(seen(r#"{"content":"mock/hang"}"#), None);
        assert_eq!(seen(r#"{"model":"mock/early-4"#), None, "the name may go on in the next piece");
    }
}
