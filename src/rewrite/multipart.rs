//! Multipart forms (RFC 7578), under a grammar so strict that no two readers can disagree about it.
//!
//! OpenRouter's transcriptions take a form, and a form's parts could carry identifiers just as JSON members can. So it is
//! read part by part: parts whose name is owned are dropped, all others are written again behind a boundary of callsign's
//! own, which the client cannot know and so cannot have hidden in a file. The content of a part passes by reference and
//! unchanged; nothing but a part's head, of at most [`MAX_HEAD`] bytes, is ever held.
//!
//! The grammar: the body begins with the delimiter; lines end in CRLF; a part has `Content-Disposition: form-data;
//! name="…"[; filename="…"]` and at most one `Content-Type`, in any order, and nothing else; no folding, no second spelling
//! of a parameter, no backslash in a quoted string; behind the closing delimiter at most one CRLF. Anything else is
//! [`BadForm`].

mod boundary;
mod head;

use std::sync::Arc;

use bytes::Bytes;
use memchr::memmem::Finder;

use super::names::OwnedNames;
use super::output::Output;
pub use boundary::{Boundary, BoundaryError, NoRandomness};
use head::Head;

/// The longest head of a part, in bytes.
pub const MAX_HEAD: usize = 8192;

/// The body is no form that can be read in one way only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the form cannot be read: byte {offset}: {fault}")]
pub struct BadForm {
    /// How many bytes came before the offending one, or before the part's head that is wrong.
    pub offset: u64,
    /// What is wrong there.
    pub fault: FormFault,
}

/// What is wrong with a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormFault {
    /// It does not begin with `--boundary` and CRLF.
    #[error("it must begin with the boundary that its content type names")]
    Start,
    /// A delimiter is followed by neither CRLF nor `--`.
    #[error("a delimiter must be followed by CRLF or `--`")]
    Delimiter,
    /// A part's head.
    #[error(
        "a part's head must be `Content-Disposition: form-data; name=\"…\"[; filename=\"…\"]` and at most one \
         `Content-Type`, each on a line of its own that ends in CRLF"
    )]
    Head,
    /// A delimiter right behind a part's head.
    #[error("a part must have a content, if an empty one, with a CRLF between its head and the next delimiter")]
    NoContent,
    /// A part's head is longer than [`MAX_HEAD`].
    #[error("a part's head is longer than {MAX_HEAD} bytes")]
    LongHead,
    /// Something behind the closing delimiter.
    #[error("nothing may follow the closing delimiter")]
    Epilogue,
    /// The body ends before the closing delimiter.
    #[error("the body ends before its closing delimiter")]
    Incomplete,
}

/// Rewrites one form.
#[derive(Debug)]
pub struct Form {
    owned: Arc<OwnedNames>,
    /// Ours.
    boundary: Boundary,
    /// `\r\n--boundary`, as the client writes it.
    delimiter: Vec<u8>,
    finder: Finder<'static>,
    state: State,
    /// Bytes of the delimiter that the last piece ended with.
    matched: usize,
    /// The head that is being read, or the two bytes behind a delimiter.
    held: Vec<u8>,
    /// Where that head begins.
    head_from: u64,
    received: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Inside the first delimiter, which has no CRLF before it.
    Start,
    /// Behind a delimiter: CRLF or `--`.
    Delimited,
    /// Inside a part's head.
    Head,
    /// Behind a part's head. A delimiter here would be content to some readers, and to others the end of a part that has
    /// none, the CRLF before it being that of the blank line (RFC 2046 allows it).
    Begun { kept: bool },
    /// Inside a part's content.
    Content { kept: bool },
    /// Behind the closing delimiter.
    End,
}

impl Form {
    /// Reads a form whose content type names `theirs`, drops the `owned` parts and writes the others behind `ours`.
    pub fn new(owned: Arc<OwnedNames>, theirs: &Boundary, ours: Boundary) -> Self {
        let delimiter = [b"\r\n--", theirs.as_bytes()].concat();
        Self {
            owned,
            boundary: ours,
            finder: Finder::new(&delimiter).into_owned(),
            delimiter,
            state: State::Start,
            // As if a CRLF had come before the first byte.
            matched: 2,
            held: Vec::new(),
            head_from: 0,
            received: 0,
        }
    }

    /// Takes the next piece in and puts what may leave into `out`.
    ///
    /// # Errors
    /// [`BadForm`]; the form must not be fed again, and what it let out must not be completed.
    pub fn feed(&mut self, piece: &Bytes, out: &mut Output) -> Result<(), BadForm> {
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
            .map_err(|fault| self.bad(before, fault))?;
        }
        self.received += piece.len() as u64;
        Ok(())
    }

    /// Ends the body.
    ///
    /// # Errors
    /// [`BadForm`] when the form is not complete.
    pub fn finish(&mut self) -> Result<(), BadForm> {
        if self.state == State::End && self.held != b"\r" {
            Ok(())
        } else {
            Err(BadForm { offset: self.received, fault: FormFault::Incomplete })
        }
    }

    fn bad(&self, at: usize, fault: FormFault) -> BadForm {
        let in_head = matches!(fault, FormFault::Head | FormFault::LongHead);
        BadForm { offset: if in_head { self.head_from } else { self.received + at as u64 }, fault }
    }

    fn start(&mut self, piece: &Bytes, at: usize) -> Result<usize, FormFault> {
        if piece.get(at) != self.delimiter.get(self.matched) {
            return Err(FormFault::Start);
        }
        self.matched += 1;
        if self.matched == self.delimiter.len() {
            self.matched = 0;
            self.state = State::Delimited;
        }
        Ok(at + 1)
    }

    fn delimited(&mut self, piece: &Bytes, at: usize, out: &mut Output) -> Result<usize, FormFault> {
        self.held.extend(piece.get(at));
        match self.held.as_slice() {
            b"\r" | b"-" => return Ok(at + 1),
            b"\r\n" => {
                self.head_from = self.received + at as u64 + 1;
                self.state = State::Head;
            }
            b"--" => {
                for part in [b"--", self.boundary.as_bytes(), b"--\r\n"] {
                    out.copy(part);
                }
                self.state = State::End;
            }
            _ => return Err(FormFault::Delimiter),
        }
        self.held.clear();
        Ok(at + 1)
    }

    /// Reads on in a head, up to the blank line that ends it.
    fn head(&mut self, piece: &Bytes, at: usize, out: &mut Output) -> Result<usize, FormFault> {
        let rest = piece.get(at..).unwrap_or_default();
        // A line at a time, so that the end is looked for in what is new only.
        let line = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        if self.held.len() + line > MAX_HEAD {
            return Err(FormFault::LongHead);
        }
        self.held.extend_from_slice(rest.get(..line).unwrap_or_default());
        if let Some(text) = self.held.strip_suffix(b"\r\n\r\n") {
            let head = Head::parse(text).ok_or(FormFault::Head)?;
            let kept = !self.owned.owns_part(head.name);
            if kept {
                head.write(&self.boundary, out);
            }
            self.state = State::Begun { kept };
            self.matched = 2;
            self.held.clear();
        } else if self.held == b"\r\n" {
            return Err(FormFault::Head);
        }
        Ok(at + line)
    }

    fn begun(&mut self, piece: &Bytes, at: usize, kept: bool, out: &mut Output) -> Result<usize, FormFault> {
        if piece.get(at) == self.delimiter.get(self.matched) {
            self.matched += 1;
            return if self.matched == self.delimiter.len() { Err(FormFault::NoContent) } else { Ok(at + 1) };
        }
        if kept {
            out.copy(self.delimiter.get(2..self.matched).unwrap_or_default());
        }
        self.matched = 0;
        self.state = State::Content { kept };
        Ok(at)
    }

    /// Passes content on, up to the next delimiter.
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
            // It was content after all. A delimiter has one CR, its first byte, so none can begin in what was held.
            if kept {
                out.copy(self.delimiter.get(..self.matched).unwrap_or_default());
            }
            self.matched = 0;
        }
        if let Some(end) = self.finder.find(rest) {
            if kept {
                out.slice(piece, at, at + end);
            }
            self.end_part(kept, out);
            return at + end + self.delimiter.len();
        }
        let tail = rest.len().saturating_sub(self.delimiter.len() - 1);
        let begun = memchr::memrchr(b'\r', rest.get(tail..).unwrap_or_default()).map(|cr| tail + cr);
        let begun = begun.filter(|&cr| self.delimiter.starts_with(rest.get(cr..).unwrap_or_default()));
        let end = begun.unwrap_or(rest.len());
        self.matched = rest.len() - end;
        if kept {
            out.slice(piece, at, at + end);
        }
        piece.len()
    }

    fn end_part(&mut self, kept: bool, out: &mut Output) {
        if kept {
            out.copy(b"\r\n");
        }
        self.matched = 0;
        self.state = State::Delimited;
    }

    fn end(&mut self, piece: &Bytes, at: usize) -> Result<usize, FormFault> {
        self.held.extend(piece.get(at));
        if matches!(self.held.as_slice(), b"\r" | b"\r\n") { Ok(at + 1) } else { Err(FormFault::Epilogue) }
    }
}

#[cfg(test)]
mod tests;
