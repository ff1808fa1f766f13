//! Checks of a request head before anything else is looked at (`docs/SPEC.md#order-of-checks`).
//!
//! hyper refuses broken heads. This file refuses heads that hyper accepts and another server might read differently.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{HeaderValue, Version};

use crate::server::ContentCoding;
use callsign_core::rewrite::multipart::{Boundary, BoundaryError};

/// A head that two servers could read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// The `Host` header is missing (HTTP/1.1) or repeated (RFC 9112, section 3.2).
    #[error("the request must have exactly one `Host` header; correct the client, or the proxy in front of callsign")]
    Host,
    /// `Transfer-Encoding` is not exactly one `chunked`.
    #[error("`Transfer-Encoding` must be exactly `chunked`; correct the client, or the proxy in front of callsign")]
    TransferEncoding,
}

/// A body that callsign does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsupportedBodyError {
    /// The content type is neither JSON in UTF-8 nor, if the endpoint accepts it, a form.
    #[error(
        "the content type must be `application/json`, with no parameter but `charset=utf-8`{}; send the body in that \
         format and name it in one `Content-Type` header",
        or_form(*.form)
    )]
    MediaType {
        /// True if the endpoint also accepts a form.
        form: bool,
    },
    /// A form without a usable boundary.
    #[error(transparent)]
    Boundary(BoundaryError),
    /// A content coding that callsign does not decode. A body that cannot be examined is not forwarded.
    #[error(
        "`Content-Encoding` must be one of `gzip`, `br` and `zstd`; use one of them, or send the body uncompressed"
    )]
    Encoding,
}

fn or_form(form: bool) -> &'static str {
    if form { ", or `multipart/form-data`" } else { "" }
}

/// The kind of a body, by its content type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// JSON in UTF-8.
    Json,
    /// A form with this boundary.
    Form(Boundary),
}

/// Checks the framing of a head.
///
/// # Errors
/// [`FramingError`].
pub fn check(parts: &Parts) -> Result<(), FramingError> {
    if parts.version < Version::HTTP_2 {
        let mut hosts = parts.headers.get_all(HOST).iter();
        if (hosts.next().is_none() && parts.version == Version::HTTP_11) || hosts.next().is_some() {
            return Err(FramingError::Host);
        }
    }
    match only(&parts.headers, TRANSFER_ENCODING) {
        Only::None => Ok(()),
        Only::One(value) if value.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        Only::One(_) | Only::Several => Err(FramingError::TransferEncoding),
    }
}

/// Returns true if the client asks for a WebSocket.
pub fn wants_websocket(headers: &HeaderMap) -> bool {
    headers.get(UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Returns the content coding of the body, if it has one.
///
/// # Errors
/// [`UnsupportedBodyError::Encoding`] for every other encoding, and for more than one.
pub fn coding(headers: &HeaderMap) -> Result<Option<ContentCoding>, UnsupportedBodyError> {
    match only(headers, CONTENT_ENCODING) {
        Only::None => Ok(None),
        Only::One(value) if value.as_bytes().eq_ignore_ascii_case(b"identity") => Ok(None),
        Only::One(value) => ContentCoding::named(value.as_bytes()).map(Some).ok_or(UnsupportedBodyError::Encoding),
        Only::Several => Err(UnsupportedBodyError::Encoding),
    }
}

/// Returns the kind of the body: JSON in UTF-8, or a form if the endpoint accepts one (`form`). No other charset may be
/// named: a lenient upstream would decode `charset=utf-7` to other bytes than callsign scanned.
///
/// # Errors
/// [`UnsupportedBodyError`].
pub fn kind(headers: &HeaderMap, form: bool) -> Result<Kind, UnsupportedBodyError> {
    match only(headers, CONTENT_TYPE) {
        Only::None => Ok(Kind::Json),
        Only::One(value) if is_json(value.as_bytes()) => Ok(Kind::Json),
        Only::One(value) if form => match Boundary::of_content_type(value.as_bytes()) {
            Ok(boundary) => Ok(Kind::Form(boundary)),
            Err(BoundaryError::OtherType) => Err(UnsupportedBodyError::MediaType { form }),
            Err(bad) => Err(UnsupportedBodyError::Boundary(bad)),
        },
        Only::One(_) | Only::Several => Err(UnsupportedBodyError::MediaType { form }),
    }
}

fn is_json(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    // A trailing `;` has no meaning. Real clients send it, and `utf8` too.
    let mut parts = value.strip_suffix(b";").unwrap_or(value).split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    let media_type = parts.next().unwrap_or_default();
    let charset = parts.next();
    let is_utf8 = |parameter: &[u8]| {
        let spellings: [&[u8]; 4] = [b"utf-8", b"\"utf-8\"", b"utf8", b"\"utf8\""];
        let Some((name, charset)) = parameter.split_at_checked(b"charset=".len()) else { return false };
        name.eq_ignore_ascii_case(b"charset=") && spellings.iter().any(|utf8| charset.eq_ignore_ascii_case(utf8))
    };
    media_type.eq_ignore_ascii_case(b"application/json") && charset.is_none_or(is_utf8) && parts.next().is_none()
}

/// The values of a header that may occur once.
enum Only<'a> {
    None,
    One(&'a HeaderValue),
    Several,
}

fn only(headers: &HeaderMap, name: http::HeaderName) -> Only<'_> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Only::None,
        (Some(value), None) => Only::One(value),
        (Some(_), Some(_)) => Only::Several,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn content_types() {
        for good in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/json ; Charset=Utf-8 ",
            "application/json; charset=utf8",
            "application/json; charset=\"UTF8\";",
            "application/json;",
            "application/json ; ",
        ] {
            assert_eq!(kind(&headers(&[("content-type", good)]), false), Ok(Kind::Json), "{good}");
        }
        for bad in [
            "text/plain",
            "application/json; charset=utf-7",
            "application/json; charset=utf-8; charset=utf-8",
            "application/json; a=b",
            "application/json;;",
            "application/json; ; charset=utf-8",
            "application/json; charset=utf 8",
            "application/json; charset=",
            ";",
            "application/json, text/plain",
            "application/jsonx",
            "",
        ] {
            assert_eq!(
                kind(&headers(&[("content-type", bad)]), false),
                Err(UnsupportedBodyError::MediaType { form: false }),
                "{bad}"
            );
        }
        assert_eq!(kind(&headers(&[]), false), Ok(Kind::Json));
        let twice = headers(&[("content-type", "application/json"), ("content-type", "application/json")]);
        assert_eq!(kind(&twice, true), Err(UnsupportedBodyError::MediaType { form: true }));
        let form = |value| kind(&headers(&[("content-type", value)]), true);
        assert!(matches!(form("multipart/form-data; boundary=x"), Ok(Kind::Form(_))));
        assert_eq!(form("multipart/form-data"), Err(UnsupportedBodyError::Boundary(BoundaryError::BadBoundary)));
        assert_eq!(form("multipart/mixed; boundary=x"), Err(UnsupportedBodyError::MediaType { form: true }));
        assert_eq!(form("application/json"), Ok(Kind::Json));
        let coding = |value| coding(&headers(&[("content-encoding", value)]));
        for (value, expected) in [
            ("identity", Ok(None)),
            ("gzip", Ok(Some(ContentCoding::Gzip))),
            ("BR", Ok(Some(ContentCoding::Brotli))),
            ("zstd", Ok(Some(ContentCoding::Zstd))),
            ("deflate", Err(UnsupportedBodyError::Encoding)),
            ("identity, gzip", Err(UnsupportedBodyError::Encoding)),
            ("gzip, gzip", Err(UnsupportedBodyError::Encoding)),
            ("", Err(UnsupportedBodyError::Encoding)),
        ] {
            assert_eq!(coding(value), expected, "{value}");
        }
    }

    #[test]
    fn hosts_and_transfer_encodings() {
        let check = |pairs: &[(&'static str, &'static str)], version| {
            let mut request = http::Request::new(());
            *request.version_mut() = version;
            *request.headers_mut() = headers(pairs);
            check(&request.into_parts().0)
        };
        assert_eq!(check(&[("host", "a")], Version::HTTP_11), Ok(()));
        assert_eq!(check(&[], Version::HTTP_2), Ok(()));
        assert_eq!(check(&[], Version::HTTP_10), Ok(()));
        assert_eq!(check(&[], Version::HTTP_11), Err(FramingError::Host));
        assert_eq!(check(&[("host", "a"), ("host", "a")], Version::HTTP_11), Err(FramingError::Host));
        assert_eq!(check(&[("host", "a"), ("transfer-encoding", "Chunked")], Version::HTTP_11), Ok(()));
        for odd in ["gzip, chunked", "identity", "chunked, chunked", "xchunked"] {
            let result = check(&[("host", "a"), ("transfer-encoding", odd)], Version::HTTP_11);
            assert_eq!(result, Err(FramingError::TransferEncoding), "{odd}");
        }
        let twice = [("host", "a"), ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")];
        assert_eq!(check(&twice, Version::HTTP_11), Err(FramingError::TransferEncoding));
    }
}
