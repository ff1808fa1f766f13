//! The OpenAPI 3.1 document, written by hand beside the routes; the tests hold it to the routes and to real answers.

use serde_json::Value;

const TEXT: &str = include_str!("openapi.json");

/// The document.
pub(super) fn document() -> Value {
    // It is compiled in, and a test reads it.
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
