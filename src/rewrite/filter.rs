//! Blank and append: the filter itself. What it does and why is told in `rewrite.rs`.

use std::sync::Arc;

use bytes::Bytes;

use super::decode::Decoder;
use super::hold::Hold;
use super::names::{Fate, OwnedNames};
use super::output::Output;
use super::rewriter::Rejected;
use super::scanner::{Fault, Scanner, Stop};
use super::tools::{SharedTool, Watch};
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
    /// Looks for tools that reach what callers share, if those are blocked.
    watch: Option<Watch>,
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
            watch: None,
            received: 0,
        }
    }

    /// Has the value of the owned name that is bound hashed by `binder` and written back as `prompt_cache_key`.
    #[must_use]
    pub fn bind(mut self, binder: Binder) -> Self {
        self.binding = Some(Binding { fresh: binder, passing: None, bound: None });
        self
    }

    /// Has bodies rejected that ask for tools which reach what all callers of the account share.
    #[must_use]
    pub fn block_shared_tools(mut self) -> Self {
        self.watch = Some(Watch::default());
        self
    }

    /// The names that only callsign may have written.
    pub fn owned(&self) -> &Arc<OwnedNames> {
        &self.owned
    }

    /// What it appends, a bound cache key apart.
    pub fn members(&self) -> &str {
        &self.append
    }

    /// Whether it may append a bound cache key.
    pub fn binds(&self) -> bool {
        self.binding.is_some()
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
    /// [`Rejected`] at the first byte that no JSON object could have there, or at a tool that is blocked; the filter must
    /// not be fed again, and what it let out before must not be completed.
    pub fn feed(&mut self, piece: &Bytes, out: &mut Output) -> Result<(), Rejected> {
        out.expect(piece.len(), self.reserve());
        let (valid, not_utf8) = self.utf8.check(piece);
        let received = self.received;
        let invalid = |at: usize, fault| Invalid { offset: received + at as u64, fault };
        let text = piece.get(..valid).unwrap_or_default();
        // `mark..at` has been scanned and not yet let out.
        let (mut mark, mut at) = (0, 0);
        // Where the text begins in this piece that the watch is to see.
        let mut seen_from = 0;
        let text_from = loop {
            let rest = text.get(at..).unwrap_or_default();
            let (consumed, stop) = self.scanner.next(rest).map_err(|(more, fault)| invalid(at + more, fault))?;
            let before = at;
            at += consumed;
            match stop {
                Stop::More => break before,
                Stop::InnerKey => self.inner_key(text.get(before + self.scanner.key_from()..at - 1)),
                Stop::Value(byte) => {
                    seen_from = at;
                    self.watching(|watch| watch.value_begins(byte))?;
                }
                Stop::ValueEnd => {
                    let end = text.get(seen_from..at - 1).unwrap_or_default();
                    self.watching(|watch| watch.string_ends(end))?;
                }
                _ => mark = self.stop(stop, piece, mark, before, at, out),
            }
        };
        if let Some(begun) = not_utf8 {
            let Invalid { offset, fault } = invalid(valid, Fault::Utf8);
            return Err(Invalid { offset: offset.saturating_sub(begun as u64), fault }.into());
        }
        self.carry_seen(text, text_from, seen_from);
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
            Stop::More | Stop::InnerKey | Stop::Value(_) | Stop::ValueEnd => mark,
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
        let mut scratch = Vec::new();
        let raw = self.hold.key(tail, &mut scratch);
        self.fate = self.owned.fate(raw);
        if let Some(watch) = &mut self.watch {
            // What is blanked reaches nobody.
            let kept = self.fate == Fate::Keep;
            self.scanner.look_at_inner_keys(kept);
            if watch.outer_key(raw) && kept {
                self.scanner.show_value();
            }
        }
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

    fn watching(&mut self, see: impl FnOnce(&mut Watch) -> Result<(), SharedTool>) -> Result<(), SharedTool> {
        self.watch.as_mut().map_or(Ok(()), see)
    }

    /// Shows the watch a key deeper down, or what this piece has of its end.
    fn inner_key(&mut self, text: Option<&[u8]>) {
        if let Some(watch) = &mut self.watch
            && watch.inner_key(text.unwrap_or_default())
        {
            self.scanner.show_value();
        }
    }

    /// Keeps what the watch will need of a key or value that the piece's end cuts.
    fn carry_seen(&mut self, text: &[u8], scanned_from: usize, seen_from: usize) {
        let Some(watch) = &mut self.watch else { return };
        let from = match self.scanner.cut_key() {
            Some(key) => scanned_from + key,
            None if self.scanner.is_in_shown_string() => seen_from,
            None => return,
        };
        watch.carry(text.get(from..).unwrap_or_default());
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
