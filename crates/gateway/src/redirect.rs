//! Redirects of OpenRouter (`docs/SPEC.md#redirects`).
//!
//! callsign follows none. A client that followed one would send its body past callsign, so only a redirect from a path of
//! the catalogue to another one is passed on, with callsign's path.

use callsign_core::endpoint::CataloguePath;
use http::header::LOCATION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use url::Url;

/// OpenRouter's answer is a redirect that is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("OpenRouter redirects this request elsewhere; callsign does not follow or relay redirects")]
pub struct UpstreamRedirectError;

/// Checks the head of an answer. A redirect within the catalogue gets a `Location` with callsign's path. `target` is the
/// requested URL, `base` the upstream's base path, `is_catalogue` true for a read of the catalogue.
///
/// # Errors
/// [`UpstreamRedirectError`] for any other redirect.
pub(crate) fn check(
    asked: &Parts,
    target: &Uri,
    base: &str,
    is_catalogue: bool,
    status: StatusCode,
    headers: &mut HeaderMap,
) -> Result<(), UpstreamRedirectError> {
    if !status.is_redirection() || status == StatusCode::NOT_MODIFIED {
        return Ok(());
    }
    let within = is_catalogue && matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = headers.get(LOCATION).filter(|_| within && headers.get_all(LOCATION).iter().count() == 1);
    let location = location.and_then(|location| rewrite(asked, target, base, location)).ok_or(UpstreamRedirectError)?;
    headers.insert(LOCATION, location);
    Ok(())
}

/// Returns callsign's path for a location in the catalogue.
fn rewrite(asked: &Parts, target: &Uri, base: &str, location: &HeaderValue) -> Option<HeaderValue> {
    let target = Url::parse(&target.to_string()).ok()?;
    let to = target.join(location.to_str().ok()?).ok()?;
    let here = |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port_or_known_default());
    if here(&to) != here(&target) || !to.username().is_empty() || to.password().is_some() {
        return None;
    }
    let path = to.path().strip_prefix(base)?.strip_prefix('/')?;
    CataloguePath::find(path)?;
    let ours = if asked.uri.path().starts_with("/api/") { "/api/v1/" } else { "/v1/" };
    let query = to.query().map(|query| format!("?{query}")).unwrap_or_default();
    HeaderValue::from_str(&format!("{ours}{path}{query}")).ok()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn location(
        asked: &str,
        is_catalogue: bool,
        status: u16,
        location: &'static str,
    ) -> Result<String, UpstreamRedirectError> {
        let (parts, ()) = Request::get(asked).body(()).unwrap().into_parts();
        let target = Uri::from_static("https://openrouter.ai/api/v1/tools/datetime");
        let mut headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_static(location))]);
        let status = StatusCode::from_u16(status).unwrap();
        check(&parts, &target, "/api/v1", is_catalogue, status, &mut headers)?;
        Ok(headers[LOCATION].to_str().unwrap().to_owned())
    }

    #[test]
    fn a_redirect_within_the_catalogue_gets_callsigns_path() {
        for (from, to, ours) in [
            ("/v1/tools/datetime", "/api/v1/tools/openrouter:datetime", "/v1/tools/openrouter:datetime"),
            ("/api/v1/tools/x", "https://openrouter.ai/api/v1/tools/y?a=b#c", "/api/v1/tools/y?a=b"),
            ("/v1/tools/x", "https://openrouter.ai:443/api/v1/models", "/v1/models"),
            ("/v1/tools/x", "./openrouter:datetime", "/v1/tools/openrouter:datetime"),
            ("/v1/tools/x", "../models/a%2Fb", "/v1/models/a%2Fb"),
        ] {
            for status in [301, 302, 303, 307, 308] {
                assert_eq!(location(from, true, status, to).as_deref(), Ok(ours), "{to}");
            }
        }
    }

    #[test]
    fn any_other_redirect_is_an_error() {
        for to in [
            "https://elsewhere.example/api/v1/models",
            "http://openrouter.ai/api/v1/models",
            "https://openrouter.ai:444/api/v1/models",
            "https://user@openrouter.ai/api/v1/models",
            "//elsewhere.example/api/v1/models",
            "/api/v1/keys",
            "/api/v1/key",
            "/api/v1/models/../keys",
            "/api/v1/chat/completions",
            "/api/v1",
            "/api/v10/models",
            "/models",
            "https://openrouter.ai",
            "openrouter:datetime",
        ] {
            assert_eq!(location("/v1/tools/x", true, 308, to), Err(UpstreamRedirectError), "{to}");
        }
        assert!(location("/v1/tools/x", false, 308, "/api/v1/models").is_err(), "no read of the catalogue");
        assert!(location("/v1/tools/x", true, 300, "/api/v1/models").is_err());
        assert_eq!(location("/v1/x", false, 304, "x").as_deref(), Ok("x"), "304 is no redirect");
        assert_eq!(location("/v1/x", false, 200, "x").as_deref(), Ok("x"));
    }
}
