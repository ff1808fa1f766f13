//! The OpenAPI 3.1 document of the admin API. It is written by hand; tests compare it with the routes (below) and with
//! real responses (`tests/it/admin/schema.rs`).

use axum::Json;
use serde_json::Value;

use crate::parameters::Params;

const TEXT: &str = include_str!("openapi.json");

/// `GET openapi.json`.
pub(super) async fn answer(Params(()): Params<()>) -> Json<Value> {
    Json(document())
}

/// Returns the document.
pub(super) fn document() -> Value {
    // Cannot fail: the text is compiled in, and a test parses it.
    serde_json::from_str(TEXT).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_documented() {
        let source = include_str!("../api.rs");
        let routes = source.lines().filter_map(|line| line.trim().strip_prefix(".route(\"")?.split_once("\", "));
        let document = document();
        let mut found = 0;
        for (path, handler) in routes.filter(|(path, _)| !path.contains("{*")) {
            let method = handler.split('(').next().unwrap();
            assert!(document["paths"][path][method].is_object(), "{method} {path}");
            found += 1;
        }
        assert_eq!(found, document["paths"].as_object().unwrap().len());
    }
}
