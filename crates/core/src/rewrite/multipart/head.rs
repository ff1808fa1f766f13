//! Parses and writes the head of one part.

use super::super::output::Output;
use super::boundary::Boundary;
use super::disposition::{Disposition, is_token};
use super::head_error::HeadError;

/// A part head. The parts of the client's head that are written again contain no character that could end it early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    disposition: Disposition<'a>,
    content_type: Option<&'a str>,
}

/// The headers that count, with the names that errors show. RFC 7578, section 4.8: readers ignore all others, so they
/// are left out.
const COUNTED: [(&str, &[u8]); 4] = [
    ("Content-Disposition", b"content-disposition"),
    ("Content-Type", b"content-type"),
    ("Content-Transfer-Encoding", b"content-transfer-encoding"),
    ("Content-Encoding", b"content-encoding"),
];

/// The transfer encodings that leave the content as it is.
const PLAIN_ENCODINGS: [&[u8]; 3] = [b"binary", b"8bit", b"7bit"];

impl<'a> Head<'a> {
    /// Returns the head of a text part with this name.
    pub(super) fn plain(name: &'a str) -> Self {
        Self { disposition: Disposition { name, filename: None }, content_type: None }
    }

    /// Parses the lines of a head without the blank line.
    ///
    /// # Errors
    /// [`HeadError`] if two readers could read the head differently.
    pub(super) fn parse(text: &'a [u8]) -> Result<Self, HeadError> {
        let mut counted: [Option<&[u8]>; COUNTED.len()] = [None; COUNTED.len()];
        for line in Lines(Some(text)) {
            // A lone CR or LF ends the line for some readers. A line that begins with a blank continues the one before.
            if memchr::memchr2(b'\r', b'\n', line).is_some() {
                return Err(HeadError::Line);
            }
            let colon = memchr::memchr(b':', line).ok_or(HeadError::Line)?;
            let (name, value) = (line.get(..colon).unwrap_or_default(), line.get(colon + 1..).unwrap_or_default());
            if name.is_empty() || !name.iter().copied().all(is_token) {
                return Err(HeadError::Line);
            }
            for ((label, known), slot) in COUNTED.iter().zip(&mut counted) {
                if name.eq_ignore_ascii_case(known) && slot.replace(value.trim_ascii()).is_some() {
                    return Err(HeadError::Repeated(label));
                }
            }
        }
        let [disposition, content_type, transfer_encoding, content_encoding] = counted;
        if content_encoding.is_some() {
            return Err(HeadError::ContentEncoding);
        }
        let is_plain = |value: &[u8]| PLAIN_ENCODINGS.iter().any(|plain| value.eq_ignore_ascii_case(plain));
        if !transfer_encoding.is_none_or(is_plain) {
            return Err(HeadError::TransferEncoding);
        }
        let disposition = Disposition::parse(disposition.ok_or(HeadError::Disposition)?)?;
        Ok(Self { disposition, content_type: content_type.map(checked_type).transpose()? })
    }

    /// Returns the name of the part.
    pub(super) fn name(&self) -> &'a str {
        self.disposition.name
    }

    /// Writes the delimiter and this head.
    pub(super) fn write(&self, boundary: &Boundary, out: &mut Output) {
        let text = |text: &str, out: &mut Output| out.copy(text.as_bytes());
        text("--", out);
        out.copy(boundary.as_bytes());
        text("\r\nContent-Disposition: form-data; name=\"", out);
        text(self.disposition.name, out);
        if let Some(filename) = &self.disposition.filename {
            text("\"; filename=\"", out);
            text(filename, out);
        }
        text("\"\r\n", out);
        if let Some(content_type) = self.content_type {
            text("Content-Type: ", out);
            text(content_type, out);
            text("\r\n", out);
        }
        text("\r\n", out);
    }
}

/// The lines of a head, split at CRLF.
struct Lines<'a>(Option<&'a [u8]>);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.0.take()?;
        let Some(end) = memchr::memmem::find(rest, b"\r\n") else { return Some(rest) };
        self.0 = rest.get(end + 2..);
        rest.get(..end)
    }
}

/// Returns a content type whose content has no parts of its own.
fn checked_type(value: &[u8]) -> Result<&str, HeadError> {
    // Readers resolve backslashes in different ways.
    let is_plain = value.iter().all(|byte| (b' '..=b'~').contains(byte) && *byte != b'\\');
    let text = std::str::from_utf8(value).ok().filter(|_| is_plain).ok_or(HeadError::ContentType)?;
    let starts = |kind: &str| text.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind));
    if starts("multipart/") || starts("message/") { Err(HeadError::Nested) } else { Ok(text) }
}

#[cfg(test)]
mod tests;
