//! Request paths: no spelling reaches a path that is not exposed.
//!
//! Input: one byte of options (bits 0–1 the method, 2 a WebSocket upgrade, 3 a ledger exists), then the path as in a
//! request line.

use callsign_core::endpoint::{Dialect, Endpoint, INFERENCE, RouteError, SelfService};
use http::Method;

/// Checks one input.
pub(crate) fn check(data: &[u8]) {
    let Some((&options, path)) = data.split_first() else { return };
    // hyper passes valid UTF-8. Other paths that hyper refuses are checked as well.
    let Ok(path) = std::str::from_utf8(path) else { return };
    let method = [Method::POST, Method::GET, Method::HEAD, Method::DELETE][usize::from(options & 3)].clone();
    let found = Endpoint::find(&method, path, options & 4 != 0, options & 8 != 0);
    let exact = path.strip_prefix("/v1/").or_else(|| path.strip_prefix("/api/v1/"));
    let once = exact.and_then(decode);
    match found {
        Ok(Endpoint::Inference(endpoint)) => {
            assert_eq!((method, once.as_deref()), (Method::POST, Some(endpoint.path)));
            assert!(INFERENCE.iter().any(|own| std::ptr::eq(own, endpoint)));
        }
        Ok(Endpoint::Read(read)) => {
            assert!(method == Method::GET || method == Method::HEAD);
            let once = once.as_deref().expect("a path that can be decoded");
            // The one path that is answered as another.
            let once = if once == "models/user" { "models" } else { once };
            assert_eq!(
                decode(read.path()).as_deref(),
                Some(once),
                "the checked path differs from the path sent upstream"
            );
            check_read(read.path(), once);
        }
        Ok(Endpoint::SelfService(own)) => {
            assert!(method == Method::GET || method == Method::HEAD);
            match own {
                SelfService::Me => assert_eq!(path, "/callsign/v1/me"),
                SelfService::Key | SelfService::AuthKey | SelfService::Credits => {
                    assert_eq!(once.as_deref(), Some(own.path()));
                }
                SelfService::Generation => assert_eq!((once.as_deref(), options & 8), (Some("generation"), 8)),
            }
        }
        Ok(Endpoint::Video(video)) => {
            assert!((method == Method::GET || method == Method::HEAD) && options & 8 != 0);
            assert_eq!(once.as_deref(), Some(&*video.path()));
            assert!(video.id().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
        }
        Err(RouteError::NeedsLedger) => {
            assert!(options & 8 == 0 && once.is_some_and(|path| path.starts_with("videos/")));
            return;
        }
        Err(RouteError::MethodNotAllowed { allow }) => assert!(!allow.split(", ").any(|own| own == method.as_str())),
        Err(RouteError::WebSocket) => {
            assert_eq!((method, once.as_deref(), options & 4), (Method::GET, Some("responses"), 4));
        }
        Err(RouteError::NotExposed) => {
            let plain = exact.is_some_and(|path| INFERENCE.iter().any(|own| own.path == path));
            assert!(!plain, "{path} is in the table");
        }
    }
    let messages = once.is_some_and(|path| path == "messages" || path == "messages/count_tokens");
    assert_eq!(Endpoint::dialect_of(path) == Dialect::Anthropic, messages, "{path}");
}

/// Checks that a path is in the catalogue, also for lenient readers.
fn check_read(sent: &str, once: &str) {
    // No characters that end a path or that servers treat differently.
    assert!(sent.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#;\\\"<>^`{|}".contains(&byte)), "{sent:?}");
    assert_eq!(decode(once).as_deref(), Some(once), "decoding again changes nothing");
    let lax: Vec<String> = once.to_ascii_lowercase().split('/').map(str::to_owned).collect();
    assert!(lax.iter().all(|part| !matches!(part.as_str(), "" | "." | "..")), "{once:?}");
    let parts: Vec<&str> = lax.iter().map(String::as_str).collect();
    let known = match parts.as_slice() {
        ["providers" | "models"] | ["embeddings" | "images" | "videos", "models"] | ["model", _, _, ..] => true,
        // `models/user` shows the account's preferences. An author with the name `user` has endpoints, which are
        // public.
        ["images", "models", rest @ ..] | ["models", "user", rest @ ..] => rest.last() == Some(&"endpoints"),
        ["models", ..] | ["tools"] | ["tools", _] | ["endpoints", "zdr"] => true,
        _ => false,
    };
    assert!(known, "{once:?}");
}

/// Percent-decodes once; `None` if the result is not UTF-8.
fn decode(path: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), path.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let digits =
            (byte == b'%').then(|| after.get(..2)).flatten().filter(|two| two.iter().all(u8::is_ascii_hexdigit));
        match digits.and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            None => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}
