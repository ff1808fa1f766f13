//! Rewrites multipart forms (RFC 7578) under a grammar that every reader parses in the same way.
//!
//! OpenRouter's transcriptions accept a form, whose parts could carry identifiers as JSON members do. The rewriter
//! drops parts with a reserved name (docs/SPEC.md#forms) and writes all others with a random boundary of callsign's,
//! which a client cannot guess and so cannot hide in a file. callsign's own parts follow as the last ones. The content of a part passes unchanged. The rewriter
//! buffers one part head of at most [`MAX_HEAD`] bytes.
//!
//! The grammar is RFC 7578 as the big HTTP libraries write it. Only CRLFs may stand before the first and after the last
//! delimiter. The headers of a part that do not change what is read are left out. A head that two readers could read
//! differently is a [`HeadError`]. All heads that leave have one form: `Content-Disposition: form-data; name="…"[;
//! filename="…"]` and at most one `Content-Type`.

mod boundary;
mod disposition;
mod head;
mod head_error;

use std::sync::Arc;

use bytes::Bytes;
use memchr::memmem::Finder;

use super::outer::{OuterCapture, OuterMembers};
use super::output::Output;
use super::reserved_fields::ReservedFields;
pub use boundary::{Boundary, BoundaryError};
use head::Head;
pub use head_error::HeadError;

/// The longest accepted head of a part, in bytes, with its blank line.
pub const MAX_HEAD: usize = 8192;

/// The body is not a form of the accepted grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the form is invalid: byte {offset}{}: {fault}{}", in_part(*.part), advice(*.fault))]
pub struct FormError {
    /// Offset of the offending byte, or of the beginning of an invalid part head.
    pub offset: u64,
    /// The number of the part, from 1; 0 before the first one.
    pub part: u32,
    /// The violated rule.
    pub fault: FormErrorKind,
}

/// Names the part of an error by its number. Names are foreign text.
fn in_part(part: u32) -> String {
    if part == 0 { String::new() } else { format!(" (part {part})") }
}

/// Returns the next step where the fault does not name it.
fn advice(fault: FormErrorKind) -> &'static str {
    use HeadError::{Charset, ContentEncoding, ExtendedFilename, ExtendedName, Nested, TransferEncoding};
    match fault {
        FormErrorKind::Head(
            Charset | ContentEncoding | ExtendedFilename | ExtendedName | Nested | TransferEncoding,
        ) => "",
        _ => "; let an HTTP library write the form",
    }
}

/// A rule of the form grammar that a body violates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormErrorKind {
    /// The body does not begin with `--` and the boundary.
    #[error("the body must begin with `--` and the boundary of its content type; only empty lines may come before")]
    Start,
    /// A delimiter is followed by neither CRLF nor `--`.
    #[error("a delimiter must be followed by CRLF or `--`")]
    Delimiter,
    /// A part head could be read in different ways.
    #[error(transparent)]
    Head(HeadError),
    /// A delimiter follows a part head without the CRLF that ends the content.
    #[error("a part's content, even if empty, must end with CRLF before the next delimiter")]
    NoContent,
    /// A part head is longer than [`MAX_HEAD`].
    #[error("a part's head must not be longer than {MAX_HEAD} bytes")]
    LongHead,
    /// More than empty lines follow the closing delimiter.
    #[error("only empty lines may follow the closing delimiter")]
    Epilogue,
    /// The body ends before the closing delimiter.
    #[error("the body must end with the closing delimiter, and it does not")]
    Incomplete,
}

/// Rewrites one form.
#[derive(Debug)]
pub struct Form {
    reserved: Arc<ReservedFields>,
    /// callsign's boundary.
    boundary: Boundary,
    /// The parts to append: name and content.
    append: Vec<(&'static str, String)>,
    /// `\r\n--` and the client's boundary.
    delimiter: Vec<u8>,
    finder: Finder<'static>,
    state: State,
    /// Number of delimiter bytes at the end of the bytes read so far.
    matched: usize,
    /// The part head that is being read, or the bytes after a delimiter that decide what follows.
    buffered: Vec<u8>,
    /// Offset of that head in the body.
    head_from: u64,
    /// The number of that head's part, from 1.
    part: u32,
    outer: OuterCapture,
    /// Bytes of all earlier pieces.
    received: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Inside the first delimiter, which has no CRLF before it.
    Start,
    /// After a delimiter: CRLF or `--` must follow.
    Delimited,
    /// Inside a part head.
    Head,
    /// After a part head. A delimiter here is ambiguous: some readers take it for content, others for the end of a part
    /// without content, because RFC 2046 lets the CRLF of the blank line begin a delimiter.
    Begun { kept: bool },
    /// Inside the content of a part.
    Content { kept: bool },
    /// After the closing delimiter.
    End,
}

impl Form {
    /// Creates a rewriter for a form with the boundary `theirs`. It drops reserved parts and writes the others with the
    /// boundary `ours`.
    pub fn new(reserved: Arc<ReservedFields>, theirs: &Boundary, ours: Boundary) -> Self {
        let delimiter = [b"\r\n--", theirs.as_bytes()].concat();
        Self {
            reserved,
            boundary: ours,
            append: Vec::new(),
            finder: Finder::new(&delimiter).into_owned(),
            delimiter,
            state: State::Start,
            // The first delimiter has no CRLF before it.
            matched: 2,
            buffered: Vec::new(),
            head_from: 0,
            part: 0,
            outer: OuterCapture::default(),
            received: 0,
        }
    }

    /// Appends text parts (name and content) after the client's. The names must be plain.
    #[must_use]
    pub fn append(mut self, parts: Vec<(&'static str, String)>) -> Self {
        self.append = parts;
        self
    }

    /// Rewrites the next piece and adds outgoing bytes to `out`.
    ///
    /// # Errors
    /// [`FormError`]. The caller must not feed more pieces and must not complete the outgoing body.
    pub fn feed(&mut self, piece: &Bytes, out: &mut Output) -> Result<(), FormError> {
        let mut at = 0;
        while at < piece.len() {
            let before = at;
            at = match self.state {
                State::Start => self.start(piece, at),
                State::Delimited => self.delimited(piece, at, out),
                State::Head => self.head(piece, at, out),
                State::Begun { kept } => self.begun(piece, at, kept, out),
                State::Content { kept } => Ok(self.content(piece, at, kept, out)),
                State::End => self.end(piece, at),
            }
            .map_err(|fault| self.error_at(before, fault))?;
        }
        self.received += piece.len() as u64;
        Ok(())
    }

    /// Ends the body.
    ///
    /// # Errors
    /// [`FormError`] if the form is incomplete.
    pub fn finish(&mut self) -> Result<(), FormError> {
        if self.state == State::End && self.buffered.is_empty() {
            Ok(())
        } else {
            Err(FormError { offset: self.received, part: self.part, fault: FormErrorKind::Incomplete })
        }
    }

    /// Returns the captured parts. They are complete once [`Self::finish`] has succeeded.
    pub fn outer(&self) -> &OuterMembers {
        self.outer.members()
    }

    fn error_at(&self, at: usize, fault: FormErrorKind) -> FormError {
        let in_head = matches!(fault, FormErrorKind::Head(_) | FormErrorKind::LongHead);
        let offset = if in_head { self.head_from } else { self.received + at as u64 };
        FormError { offset, part: self.part, fault }
    }

    fn start(&mut self, piece: &Bytes, at: usize) -> Result<usize, FormErrorKind> {
        match piece.get(at) {
            byte if byte == self.delimiter.get(self.matched) => self.matched += 1,
            // Another empty line.
            Some(b'\r') if self.matched == 2 => self.matched = 1,
            _ => return Err(FormErrorKind::Start),
        }
        if self.matched == self.delimiter.len() {
            self.matched = 0;
            self.state = State::Delimited;
        }
        Ok(at + 1)
    }

    fn delimited(&mut self, piece: &Bytes, at: usize, out: &mut Output) -> Result<usize, FormErrorKind> {
        self.buffered.extend(piece.get(at));
        match self.buffered.as_slice() {
            b"\r" | b"-" => return Ok(at + 1),
            b"\r\n" => {
                self.head_from = self.received + at as u64 + 1;
                self.part = self.part.saturating_add(1);
                self.state = State::Head;
            }
            b"--" => {
                for (name, content) in &self.append {
                    Head::plain(name).write(&self.boundary, out);
                    out.copy(content.as_bytes());
                    out.copy(b"\r\n");
                }
                for part in [b"--", self.boundary.as_bytes(), b"--\r\n"] {
                    out.copy(part);
                }
                self.state = State::End;
            }
            _ => return Err(FormErrorKind::Delimiter),
        }
        self.buffered.clear();
        Ok(at + 1)
    }

    /// Reads one line of a part head. The blank line ends the head.
    fn head(&mut self, piece: &Bytes, at: usize, out: &mut Output) -> Result<usize, FormErrorKind> {
        let rest = piece.get(at..).unwrap_or_default();
        // Line by line, so that only new bytes are searched for the end.
        let line = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        if self.buffered.len() + line > MAX_HEAD {
            return Err(FormErrorKind::LongHead);
        }
        self.buffered.extend_from_slice(rest.get(..line).unwrap_or_default());
        if let Some(text) = self.buffered.strip_suffix(b"\r\n\r\n") {
            let head = Head::parse(text).map_err(FormErrorKind::Head)?;
            let kept = !self.reserved.contains_part(head.name());
            if kept {
                self.outer.part(head.name());
                head.write(&self.boundary, out);
            }
            self.state = State::Begun { kept };
            self.matched = 2;
            self.buffered.clear();
        } else if self.buffered == b"\r\n" {
            return Err(FormErrorKind::Head(HeadError::Disposition));
        }
        Ok(at + line)
    }

    fn begun(&mut self, piece: &Bytes, at: usize, kept: bool, out: &mut Output) -> Result<usize, FormErrorKind> {
        if piece.get(at) == self.delimiter.get(self.matched) {
            self.matched += 1;
            return if self.matched == self.delimiter.len() { Err(FormErrorKind::NoContent) } else { Ok(at + 1) };
        }
        self.pass_matched(2, kept, out);
        self.state = State::Content { kept };
        Ok(at)
    }

    /// Passes content up to the next delimiter, or drops it.
    fn content(&mut self, piece: &Bytes, at: usize, kept: bool, out: &mut Output) -> usize {
        let rest = piece.get(at..).unwrap_or_default();
        if self.matched > 0 {
            let owed = self.delimiter.get(self.matched..).unwrap_or_default();
            let same = owed.iter().zip(rest).take_while(|(owed, byte)| owed == byte).count();
            if same == owed.len() {
                self.end_part(kept, out);
                return at + same;
            }
            if same == rest.len() {
                self.matched += same;
                return piece.len();
            }
            // The matched bytes are content. A CR occurs only as a delimiter's first byte, so no other delimiter begins
            // in them.
            self.pass_matched(0, kept, out);
        }
        if let Some(end) = self.finder.find(rest) {
            self.pass(piece, at, at + end, kept, out);
            self.end_part(kept, out);
            return at + end + self.delimiter.len();
        }
        let tail = rest.len().saturating_sub(self.delimiter.len() - 1);
        let begun = memchr::memrchr(b'\r', rest.get(tail..).unwrap_or_default()).map(|cr| tail + cr);
        let begun = begun.filter(|&cr| self.delimiter.starts_with(rest.get(cr..).unwrap_or_default()));
        let end = begun.unwrap_or(rest.len());
        self.matched = rest.len() - end;
        self.pass(piece, at, at + end, kept, out);
        piece.len()
    }

    /// Passes content, or drops it.
    fn pass(&mut self, piece: &Bytes, from: usize, to: usize, kept: bool, out: &mut Output) {
        if kept {
            self.outer.value(piece.get(from..to).unwrap_or_default());
            out.slice(piece, from, to);
        }
    }

    /// Passes matched delimiter bytes, from `from` on, that turned out to be content, or drops them.
    fn pass_matched(&mut self, from: usize, kept: bool, out: &mut Output) {
        if kept {
            let content = self.delimiter.get(from..self.matched).unwrap_or_default();
            self.outer.value(content);
            out.copy(content);
        }
        self.matched = 0;
    }

    fn end_part(&mut self, kept: bool, out: &mut Output) {
        if kept {
            out.copy(b"\r\n");
            self.outer.end(&[]);
        }
        self.matched = 0;
        self.state = State::Delimited;
    }

    fn end(&mut self, piece: &Bytes, at: usize) -> Result<usize, FormErrorKind> {
        match (self.buffered.as_slice(), piece.get(at)) {
            (b"", Some(b'\r')) => self.buffered.push(b'\r'),
            (b"\r", Some(b'\n')) => self.buffered.clear(),
            _ => return Err(FormErrorKind::Epilogue),
        }
        Ok(at + 1)
    }
}

#[cfg(test)]
mod tests;
