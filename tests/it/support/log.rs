//! The log lines of requests, by request id.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use serde_json::Value;

use super::within;

static REQUESTS: LazyLock<Mutex<HashMap<String, Value>>> = LazyLock::new(Mutex::default);

/// Keeps a line of the log in JSON if it is the line of a request.
pub(super) fn keep(line: &[u8]) {
    if memchr::memmem::find(line, b"\"message\":\"request\"").is_none() {
        return;
    }
    let Ok(line) = serde_json::from_slice::<Value>(line) else { return };
    if let Some(id) = line["request_id"].as_str() {
        REQUESTS.lock().unwrap().insert(id.to_owned(), line);
    }
}

/// Waits for the line of a request.
pub(crate) async fn request(id: &str) -> Value {
    within("a line of the log", async {
        loop {
            if let Some(line) = REQUESTS.lock().unwrap().get(id) {
                return line.clone();
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}
