//! The rules about the head of an answer after which a connection is used again (`docs/SPEC.md#connection-reuse`).

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Response, StatusCode, Version};

/// Returns true if the head of the answer to a request permits another request on its connection.
pub(super) fn permits<B>(is_head: bool, answer: &Response<B>) -> bool {
    !is_head && answer.version() == Version::HTTP_11 && has_body(answer.status()) && is_framed_once(answer.headers())
}

/// Returns true for a final status whose answer has a body.
fn has_body(status: StatusCode) -> bool {
    let bodyless = [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT, StatusCode::NOT_MODIFIED];
    !status.is_informational() && !bodyless.contains(&status)
}

/// Returns true if exactly one header says where the body ends, and every reader understands it in the same way.
fn is_framed_once(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (lengths.next(), lengths.next(), codings.next(), codings.next()) {
        (Some(length), None, None, None) => !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit),
        (None, None, Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)]) -> Response<()> {
        let mut answer = Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(*name, *value);
        }
        answer.body(()).unwrap()
    }

    #[test]
    fn one_framing_header_permits_reuse() {
        let length = ("content-length", "5");
        let chunked = ("transfer-encoding", "chunked");
        for headers in [&[length][..], &[chunked], &[("transfer-encoding", "Chunked")], &[length, ("x", "y")]] {
            assert!(permits(false, &answer(200, headers)), "{headers:?}");
        }
        for headers in [
            &[][..],
            &[length, length],
            &[length, chunked],
            &[chunked, chunked],
            &[("transfer-encoding", "gzip, chunked")],
            &[("content-length", "5, 5")],
            &[("content-length", "+5")],
            &[("content-length", "")],
        ] {
            assert!(!permits(false, &answer(200, headers)), "{headers:?}");
        }
    }

    #[test]
    fn only_answers_with_a_body_permit_reuse() {
        let length = [("content-length", "0")];
        for status in [200, 201, 206, 302, 400, 404, 413, 429, 500, 503] {
            assert!(permits(false, &answer(status, &length)), "{status}");
            assert!(!permits(true, &answer(status, &length)), "HEAD, {status}");
        }
        for status in [100, 101, 103, 199, 204, 205, 304] {
            assert!(!permits(false, &answer(status, &length)), "{status}");
        }
        let mut old = answer(200, &length);
        for version in [Version::HTTP_09, Version::HTTP_10, Version::HTTP_2] {
            *old.version_mut() = version;
            assert!(!permits(false, &old), "{version:?}");
        }
    }
}
