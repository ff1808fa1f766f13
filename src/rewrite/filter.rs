//! Blank and append: the filter itself. What it does and why is told in `rewrite.rs`.

use std::sync::Arc;

use bytes::Bytes;

use super::decode::Decoder;
use super::hold::Hold;
use super::names::{Fate, OwnedNames};
use super::output::Output;
use super::scanner::{Fault, Scanner, Stop};
use super::utf8::Utf8;
use crate::identifiers::secret::Binder;

/// The member that a bound cache key is written back as.
const BOUND_MEMBER: &str = r#""prompt_cache_key":""#;
/// Hexadecimal digits of a bound value.
const BOUND_DIGITS: usize = 64;

/// The body is not one strict JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not one valid JSON object: byte {offset}: {}", describe(*.fault))]
pub struct Invalid {
    /// How many bytes came before the offending one.
    pub offset: u64,
    /// What is wrong there.
    pub fault: Fault,
}

fn describe(fault: Fault) -> &'static str {
    match fault {
        Fault::NotAnObject => "expected `{` (an object in UTF-8, without a byte order mark)",
        Fault::Syntax => "not allowed here (RFC 8259)",
        Fault::TooDeep => "nested deeper than 1024",
        Fault::Utf8 => "not UTF-8",
        Fault::Incomplete => "the body ends before the object does",
    }
}

/// Rewrites one body. See the module's example.
#[derive(Debug)]
pub struct Filter {
    owned: Arc<OwnedNames>,
    append: String,
    scanner: Scanner,
    utf8: Utf8,
    hold: Hold,
    /// Whether bytes are being held, else they pass under `fate`.
    holding: bool,
    fate: Fate,
    kept_any: bool,
    binding: Option<Binding>,
    received: u64,
}

/// The hashing of a `prompt_cache_key` on its way through.
#[derive(Debug)]
struct Binding {
    fresh: Binder,
    /// The value that is passing now.
    passing: Option<(Decoder, Binder, bool)>,
    /// The last value, bound; `None` if it was no string or an empty one.
    bound: Option<String>,
}

impl Filter {
    /// A filter that blanks the `owned` members and appends `members` (`"a":1,"b":2`, without braces; may be empty).
    pub fn new(owned: Arc<OwnedNames>, members: String) -> Self {
        Self {
            owned,
            append: members,
            scanner: Scanner::new(),
            utf8: Utf8::default(),
            hold: Hold::default(),
            holding: false,
            fate: Fate::Keep,
            kept_any: false,
            binding: None,
            received: 0,
        }
    }

    /// Has the value of the owned name that is bound hashed by `binder` and written back as `prompt_cache_key`.
    #[must_use]
    pub fn bind(mut self, binder: Binder) -> Self {
        self.binding = Some(Binding { fresh: binder, passing: None, bound: None });
        self
    }

    /// By how many bytes the outgoing body is longer than the incoming one, whatever the incoming one is.
    pub fn reserve(&self) -> usize {
        let members = if self.append.is_empty() { 0 } else { 1 + self.append.len() };
        let bound = if self.binding.is_some() { 1 + BOUND_MEMBER.len() + BOUND_DIGITS + 1 } else { 0 };
        members + bound
    }

    /// Takes the next piece in and puts what may leave into `out`.
    ///
    /// # Errors
    /// [`Invalid`] at the first byte that no JSON object could have there; the filter must not be fed again.
    pub fn feed(&mut self, piece: &Bytes, out: &mut Output) -> Result<(), Invalid> {
        let (valid, not_utf8) = self.utf8.check(piece);
        let received = self.received;
        let invalid = |at: usize, fault| Invalid { offset: received + at as u64, fault };
        let text = piece.get(..valid).unwrap_or_default();
        // `mark..at` has been scanned and not yet let out.
        let (mut mark, mut at) = (0, 0);
        let text_from = loop {
            let rest = text.get(at..).unwrap_or_default();
            let (consumed, stop) = self.scanner.next(rest).map_err(|(more, fault)| invalid(at + more, fault))?;
            let before = at;
            at += consumed;
            match stop {
                Stop::More => break before,
                _ => mark = self.stop(stop, piece, mark, before, at, out),
            }
        };
        if let Some(begun) = not_utf8 {
            let Invalid { offset, fault } = invalid(valid, Fault::Utf8);
            return Err(Invalid { offset: offset.saturating_sub(begun as u64), fault });
        }
        self.hash(piece, text_from, at);
        self.end_of_piece(piece, mark, at, out);
        self.received += piece.len() as u64;
        Ok(())
    }

    /// Ends the body.
    ///
    /// # Errors
    /// [`Invalid`] when the object is not complete.
    pub fn finish(&mut self) -> Result<(), Invalid> {
        if self.scanner.is_complete() {
            Ok(())
        } else {
            Err(Invalid { offset: self.received, fault: Fault::Incomplete })
        }
    }

    /// Whether what was put out is exactly as long as announced. Only a mistake in this room could make it differ, and
    /// then the request must not be sent: hyper would cut a body that is too long without a word.
    pub fn kept_its_word(&self, out: &Output) -> bool {
        out.written() == self.received + self.reserve() as u64
    }

    /// Acts on a stop behind byte `at` of the piece; gives the new mark.
    fn stop(&mut self, stop: Stop, piece: &Bytes, mark: usize, before: usize, at: usize, out: &mut Output) -> usize {
        match stop {
            Stop::Open => {
                out.slice(piece, mark, at);
                self.holding = true;
                at
            }
            Stop::KeyStart => self.hold.begin_key(piece, mark, at - 1, out),
            Stop::KeyEnd => self.end_key(piece, mark, at, out),
            Stop::StringStart => {
                if self.fate == Fate::Bind
                    && let Some(binding) = &mut self.binding
                {
                    binding.passing = Some((Decoder::default(), binding.fresh.clone(), true));
                }
                mark
            }
            Stop::StringEnd => {
                self.hash(piece, before, at - 1);
                self.end_bound_value();
                mark
            }
            Stop::Comma => {
                self.pass(piece, mark, at - 1, out);
                self.fate = Fate::Keep;
                self.holding = true;
                at - 1
            }
            Stop::Close => {
                self.close(piece, mark, at - 1, out);
                at - 1
            }
            Stop::More => mark,
        }
    }

    fn end_key(&mut self, piece: &Bytes, mark: usize, at: usize, out: &mut Output) -> usize {
        if self.holding {
            self.decide(piece, mark, at, out);
            at
        } else {
            // A key beyond the cap, decided long ago.
            mark
        }
    }

    /// Decides over the member whose key is held, as far as `to` in the piece.
    fn decide(&mut self, piece: &Bytes, mark: usize, to: usize, out: &mut Output) {
        let tail = piece.get(mark..to).unwrap_or_default();
        self.fate = self.owned.fate(self.hold.key(tail, &mut Vec::new()));
        match self.fate {
            Fate::Keep => {
                self.hold.keep(piece, mark, to, self.kept_any, out);
                self.kept_any = true;
            }
            Fate::Blank | Fate::Bind => self.hold.blank(tail.len(), out),
        }
        if self.fate == Fate::Bind
            && let Some(binding) = &mut self.binding
        {
            // Readers take the last of several; whatever is no string leaves nothing.
            binding.bound = None;
        }
        self.holding = false;
    }

    /// The object ends behind `to`: what is held can only be white space.
    fn close(&mut self, piece: &Bytes, mark: usize, to: usize, out: &mut Output) {
        if self.holding {
            self.hold.keep(piece, mark, to, true, out);
            self.holding = false;
        } else {
            self.pass(piece, mark, to, out);
        }
        self.fate = Fate::Keep;
        let reserve = self.reserve() as u64;
        let start = out.written();
        let mut comma = if self.kept_any { "," } else { "" };
        if !self.append.is_empty() {
            out.copy(comma.as_bytes());
            out.copy(self.append.as_bytes());
            comma = ",";
        }
        if let Some(bound) = self.binding.as_ref().and_then(|binding| binding.bound.as_deref()) {
            for part in [comma, BOUND_MEMBER, bound, "\""] {
                out.copy(part.as_bytes());
            }
        }
        let padding = (start + reserve).saturating_sub(out.written());
        out.spaces(usize::try_from(padding).unwrap_or_default());
    }

    fn end_of_piece(&mut self, piece: &Bytes, mark: usize, at: usize, out: &mut Output) {
        if self.holding {
            if self.hold.key_length(at - mark).is_some_and(|length| length > self.owned.raw_cap()) {
                self.decide(piece, mark, at, out);
            } else {
                self.hold.carry(piece, mark, out);
            }
        } else {
            self.pass(piece, mark, at, out);
        }
    }

    /// Lets bytes of the current member out, or blanks them.
    fn pass(&self, piece: &Bytes, from: usize, to: usize, out: &mut Output) {
        match self.fate {
            Fate::Keep => out.slice(piece, from, to),
            Fate::Blank | Fate::Bind => out.spaces(to.saturating_sub(from)),
        }
    }

    /// Feeds bytes of a bound value to its hash, if one is passing.
    fn hash(&mut self, piece: &Bytes, from: usize, to: usize) {
        let passing = self.binding.as_mut().and_then(|binding| binding.passing.as_mut());
        if let (Some((decoder, binder, empty)), Some(text)) = (passing, piece.get(from..to)) {
            *empty &= text.is_empty();
            decoder.feed(text, |decoded| binder.update(decoded));
        }
    }

    fn end_bound_value(&mut self) {
        if let Some(binding) = &mut self.binding
            && let Some((decoder, mut binder, empty)) = binding.passing.take()
        {
            decoder.finish(|decoded| binder.update(decoded));
            binding.bound = (!empty).then(|| binder.finish());
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
