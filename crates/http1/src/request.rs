//! Writes the head of a request.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;

use crate::upload::Length;

/// Writes a head: the headers as given and in their order, except those of the framing, which follow from `length`.
pub(crate) fn head(parts: &Parts, length: Length) -> Bytes {
    let size: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let target = parts.uri.path_and_query().map_or(0, |path| path.as_str().len());
    let authority = parts.uri.authority().map_or(0, |authority| authority.as_str().len() + 8);
    let mut head = Vec::with_capacity(size + target + authority + 64);
    head.extend_from_slice(parts.method.as_str().as_bytes());
    head.push(b' ');
    match parts.uri.path_and_query() {
        Some(path) if parts.uri.authority().is_none() => head.extend_from_slice(path.as_str().as_bytes()),
        _ => head.extend_from_slice(parts.uri.to_string().as_bytes()),
    }
    head.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in &parts.headers {
        if *name == CONTENT_LENGTH || *name == TRANSFER_ENCODING {
            continue;
        }
        line(&mut head, name.as_str(), value.as_bytes());
    }
    match length {
        Length::None => {}
        Length::Known(length) => line(&mut head, CONTENT_LENGTH.as_str(), length.to_string().as_bytes()),
        Length::Chunked => line(&mut head, TRANSFER_ENCODING.as_str(), b"chunked"),
    }
    head.extend_from_slice(b"\r\n");
    head.into()
}

fn line(head: &mut Vec<u8>, name: &str, value: &[u8]) {
    head.extend_from_slice(name.as_bytes());
    head.extend_from_slice(b": ");
    head.extend_from_slice(value);
    head.extend_from_slice(b"\r\n");
}
