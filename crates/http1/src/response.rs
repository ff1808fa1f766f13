//! Reads the head of an answer.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::header::HeaderMap;
use http::{HeaderName, HeaderValue, Response, StatusCode, Version};

use crate::Error;

/// Maximum number of headers.
const MOST_HEADERS: usize = 100;

/// The reason phrase of an answer, if it is not the usual one of the status. It is an extension of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(pub Bytes);

/// Parses a head at the beginning of `bytes`, with headers in `headers`, which is empty. Returns the length of the head;
/// `None` if `bytes` ends before it does.
pub(crate) fn parse(bytes: &[u8], headers: HeaderMap) -> Result<Option<(usize, Response<()>)>, Error> {
    let mut lines = [const { MaybeUninit::uninit() }; MOST_HEADERS];
    let mut head = httparse::Response::new(&mut []);
    let parser = httparse::ParserConfig::default();
    let parsed = parser.parse_response_with_uninit_headers(&mut head, bytes, &mut lines).map_err(Error::Head)?;
    let httparse::Status::Complete(length) = parsed else { return Ok(None) };
    let code = head.code.unwrap_or_default();
    let status = StatusCode::from_u16(code).map_err(|_| Error::Head(httparse::Error::Status))?;
    let mut answer = Response::new(());
    *answer.status_mut() = status;
    *answer.version_mut() = if head.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    if let Some(reason) = head.reason.filter(|reason| Some(*reason) != status.canonical_reason()) {
        answer.extensions_mut().insert(Reason(Bytes::copy_from_slice(reason.as_bytes())));
    }
    *answer.headers_mut() = copy(&bytes[..length], head.headers, headers)?;
    Ok(Some((length, answer)))
}

/// Copies the headers of a head into one buffer, which their values share.
fn copy(head: &[u8], lines: &[httparse::Header<'_>], mut headers: HeaderMap) -> Result<HeaderMap, Error> {
    let start = head.as_ptr().addr();
    let shared = Bytes::copy_from_slice(head);
    headers.reserve(lines.len());
    for line in lines {
        let begins = line.value.as_ptr().addr() - start;
        let value = shared.slice(begins..begins + line.value.len());
        let name = HeaderName::from_bytes(line.name.as_bytes());
        let name = name.map_err(|_| Error::Head(httparse::Error::HeaderName))?;
        let value = HeaderValue::from_maybe_shared(value);
        headers.append(name, value.map_err(|_| Error::Head(httparse::Error::HeaderValue))?);
    }
    Ok(headers)
}

/// Returns true if a head may end in `bytes`, of which the first `seen` bytes were looked at before.
pub(crate) fn may_end(bytes: &[u8], seen: usize) -> bool {
    let bytes = &bytes[seen.saturating_sub(3)..];
    bytes.windows(2).any(|pair| pair == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}
