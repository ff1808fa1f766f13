//! The OpenAPI 3.1 document, written by hand beside the routes; the tests hold it to the routes and to real answers.

use serde_json::Value;

const TEXT: &str = include_str!("openapi.json");

/// The document.
pub(super) fn document() -> Value {
    // It is compiled in, and a test reads it.
    serde_json::from_str(TEXT).unwrap_or_default()
}
