//! The JSON filter: overwrites reserved members with spaces and appends callsign's. `rewrite.rs` describes the rules.

use std::sync::Arc;

use bytes::Bytes;

use super::decode::Decoder;
use super::error::{JsonError, RewriteError};
use super::instructions::Instructions;
use super::outer::{OuterCapture, OuterMembers};
use super::output::Output;
use super::pending_member::PendingMember;
use super::raw_name::RawName;
use super::reserved_fields::{Disposition, ReservedFields};
use super::scanner::{JsonErrorKind, Scanner, Stop};
use super::shared_tools::{Next, SharedToolDetector, SharedToolError, SharedToolPolicy};
use super::text::Text;
use super::utf8::{Cut, first_invalid};
use crate::identity::secret::Binder;

/// The beginning of the member that holds a bound cache key (docs/SPEC.md#binding).
const BOUND_MEMBER: &str = r#""prompt_cache_key":""#;
/// Tokens of a long string, which is mostly an image. Providers count 85 to 1,600 tokens for one.
const LONG_STRING_TOKENS: u64 = 2000;
/// Hexadecimal digits of a bound value: HMAC-SHA256 or SHA-256.
const BOUND_DIGITS: usize = 64;

/// Rewrites one JSON body. The documentation of `rewrite` has an example.
#[derive(Debug)]
pub struct Filter {
    reserved: Arc<ReservedFields>,
    append: String,
    scanner: Scanner,
    /// The character that the end of the last piece split.
    cut: Cut,
    pending: PendingMember,
    /// True while bytes go to `pending`; otherwise they are kept or blanked as `disposition` says.
    buffering: bool,
    /// The action on the current member.
    disposition: Disposition,
    /// True if a member has been kept, so that the next one needs its comma.
    kept_any: bool,
    binding: Option<Binding>,
    /// Present if shared tools are blocked.
    detector: Option<SharedToolDetector>,
    outer: OuterCapture,
    instructions: Instructions,
    /// Bytes of all earlier pieces.
    received: u64,
}

/// Hashes the value of a `prompt_cache_key`.
#[derive(Debug)]
struct Binding {
    /// The initial state for each value.
    fresh: Binder,
    /// The state of the value that is being read; the flag is true while the value is empty.
    passing: Option<(Decoder, Binder, bool)>,
    /// The bound form of the last value; `None` if that value is not a string or is empty.
    bound: Option<String>,
}

impl Filter {
    /// Creates a filter that blanks the reserved members and appends `members` (`"a":1,"b":2`, without braces; may be
    /// empty).
    pub fn new(reserved: Arc<ReservedFields>, members: String) -> Self {
        Self {
            reserved,
            append: members,
            scanner: Scanner::new(),
            cut: Cut::default(),
            pending: PendingMember::default(),
            buffering: false,
            disposition: Disposition::Keep,
            kept_any: false,
            binding: None,
            detector: None,
            outer: OuterCapture::default(),
            instructions: Instructions::widest(),
            received: 0,
        }
    }

    /// Hashes the value of the bound field with `binder` and appends the result as `prompt_cache_key`.
    pub fn bind(&mut self, binder: Binder) {
        self.binding = Some(Binding { fresh: binder, passing: None, bound: None });
    }

    /// Rejects bodies that ask for tools that all callers of the account share (docs/SPEC.md#shared-account-tools).
    /// `replays` is true for the Responses API.
    pub fn block_shared_tools(&mut self, policy: Arc<SharedToolPolicy>, replays: bool) {
        self.detector = Some(SharedToolDetector::new(policy, replays));
    }

    /// Reads with these vector instructions instead of the widest, for tests.
    #[must_use]
    pub fn with_instructions(mut self, instructions: Instructions) -> Self {
        self.instructions = instructions;
        self
    }

    /// Returns the reserved names.
    pub fn reserved_fields(&self) -> &Arc<ReservedFields> {
        &self.reserved
    }

    /// Returns the appended members, without a bound cache key.
    pub fn members(&self) -> &str {
        &self.append
    }

    /// Returns true if the filter may append a bound cache key.
    pub fn binds(&self) -> bool {
        self.binding.is_some()
    }

    /// Returns the captured outer members. They are complete once [`Self::finish`] has succeeded.
    pub fn outer(&self) -> &OuterMembers {
        self.outer.members()
    }

    /// Returns about the number of tokens of the body so far: a quarter of its bytes. A long string counts as
    /// 2,000 tokens (docs/SPEC.md#reservations).
    pub fn input_tokens(&self) -> u64 {
        let long = self.scanner.long_strings();
        self.received.saturating_sub(long.bytes) / 4 + long.count * LONG_STRING_TOKENS
    }

    /// Returns the number of bytes by which every outgoing body is longer than the incoming one.
    pub fn reserve(&self) -> usize {
        let members = if self.append.is_empty() { 0 } else { 1 + self.append.len() };
        let bound = if self.binding.is_some() { 1 + BOUND_MEMBER.len() + BOUND_DIGITS + 1 } else { 0 };
        members + bound
    }

    /// Rewrites the next piece and adds outgoing bytes to `out`.
    ///
    /// # Errors
    /// [`RewriteError`] at the first byte that cannot continue a JSON object, or at a blocked tool. The caller must not
    /// feed more pieces and must not complete the outgoing body.
    pub fn feed(&mut self, piece: &Bytes, out: &mut Output) -> Result<(), RewriteError> {
        out.expect(piece.len(), self.reserve());
        let received = self.received;
        let cut = self.cut;
        if let Err((at, begun)) = cut.check(piece) {
            let offset = (received + at as u64).saturating_sub(begun as u64);
            return Err(JsonError { offset, fault: JsonErrorKind::Utf8 }.into());
        }
        let mut text = Text::new(piece, self.instructions, self.scanner.is_escaped(), cut);
        // `mark..at` is scanned and not yet added to `out`.
        let (mut mark, mut at) = (0, 0);
        // The beginning, in this piece, of the string that the detector needs.
        let mut seen_from = 0;
        let text_from = loop {
            let before = at;
            let stop;
            (at, stop) =
                self.scanner.next(&mut text, at).map_err(|(at, fault)| first_error(piece, cut, at, fault, received))?;
            match stop {
                Stop::More => break before,
                Stop::InnerKey => {
                    let key = piece.get(self.scanner.key_from()..at - 1).unwrap_or_default();
                    self.detect(|detector, depth| Ok(detector.inner_key(key, depth)))?;
                    if let Some((value, end)) = self.scanner.requested_text(&mut text, at) {
                        at = end;
                        self.detect(|detector, _| detector.value_begins(b'"'))?;
                        self.detect(|detector, _| detector.string_ends(value))?;
                    }
                }
                Stop::Value(byte) => {
                    seen_from = at;
                    self.detect(|detector, _| detector.value_begins(byte))?;
                }
                Stop::ValueEnd => {
                    let end = piece.get(seen_from..at - 1).unwrap_or_default();
                    self.detect(|detector, _| detector.string_ends(end))?;
                }
                Stop::Element => self.detect(SharedToolDetector::element)?,
                Stop::Closed => self.detect(SharedToolDetector::closed)?,
                _ => mark = self.stop(stop, piece, mark, before, at, out),
            }
        };
        self.cut.carry(piece);
        self.carry_seen(piece, seen_from);
        self.hash(piece, text_from, at);
        self.end_of_piece(piece, mark, at, out);
        self.received += piece.len() as u64;
        Ok(())
    }

    /// Ends the body.
    ///
    /// # Errors
    /// [`JsonError`] if the object is incomplete.
    pub fn finish(&mut self) -> Result<(), JsonError> {
        if self.scanner.is_complete() {
            Ok(())
        } else {
            Err(JsonError { offset: self.received, fault: JsonErrorKind::Incomplete })
        }
    }

    /// Returns true if the outgoing body is exactly as long as announced. A difference is a bug in this module. The
    /// request must not be sent then, because hyper silently truncates a body that is too long.
    pub fn length_matches(&self, out: &Output) -> bool {
        out.written() == self.received + self.reserve() as u64
    }

    /// Handles a stop of the scanner after `piece[..at]`; returns the new mark.
    fn stop(&mut self, stop: Stop, piece: &Bytes, mark: usize, before: usize, at: usize, out: &mut Output) -> usize {
        match stop {
            Stop::Open => {
                out.slice(piece, mark, at);
                self.buffering = true;
                at
            }
            Stop::KeyStart => self.pending.begin_key(piece, mark, at - 1, out),
            Stop::KeyEnd => self.end_key(piece, mark, at, out),
            Stop::StringStart => {
                if self.disposition == Disposition::Bind
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
                self.end_value(piece, mark, at - 1, out);
                self.disposition = Disposition::Keep;
                self.buffering = true;
                at - 1
            }
            Stop::Close => {
                self.close(piece, mark, at - 1, out);
                at - 1
            }
            Stop::More | Stop::InnerKey | Stop::Value(_) | Stop::ValueEnd | Stop::Element | Stop::Closed => mark,
        }
    }

    fn end_key(&mut self, piece: &Bytes, mark: usize, at: usize, out: &mut Output) -> usize {
        if self.buffering {
            self.decide(piece, mark, at, out);
            at
        } else {
            // A key over the cap was decided at the cap.
            mark
        }
    }

    /// Decides about the member whose pending key ends, or reaches the cap, at `to`.
    fn decide(&mut self, piece: &Bytes, mark: usize, to: usize, out: &mut Output) {
        let tail = piece.get(mark..to).unwrap_or_default();
        let mut scratch = Vec::new();
        let key = RawName::of_key(self.pending.key(tail, &mut scratch));
        self.disposition = self.reserved.disposition(key);
        if let Some(detector) = &mut self.detector {
            // Blanked members are not sent, so they need no inspection.
            if self.disposition == Disposition::Keep {
                let next = detector.outer_key(key);
                self.scanner.watch(detector.watch());
                self.scanner.treat_next(next);
            } else {
                self.scanner.unwatch();
            }
        }
        match self.disposition {
            Disposition::Keep => {
                self.outer.key(key);
                self.pending.keep(piece, mark, to, self.kept_any, out);
                self.kept_any = true;
            }
            Disposition::Blank | Disposition::Bind => self.pending.blank(tail.len(), out),
        }
        if self.disposition == Disposition::Bind
            && let Some(binding) = &mut self.binding
        {
            // Readers use the last of duplicate members, so an earlier value no longer counts.
            binding.bound = None;
        }
        self.buffering = false;
    }

    /// Appends callsign's members before the closing brace at `to`. Pending bytes can only be white space here.
    fn close(&mut self, piece: &Bytes, mark: usize, to: usize, out: &mut Output) {
        if self.buffering {
            self.pending.keep(piece, mark, to, true, out);
            self.buffering = false;
        } else {
            self.end_value(piece, mark, to, out);
        }
        self.disposition = Disposition::Keep;
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
        if self.buffering {
            if self.pending.key_length(at - mark).is_some_and(|length| length > self.reserved.raw_cap()) {
                self.decide(piece, mark, at, out);
            } else {
                self.pending.carry(piece, mark, out);
            }
        } else {
            self.pass(piece, mark, at, out);
        }
    }

    /// Passes a stop and its depth to the detector, and its answer to the scanner.
    fn detect(
        &mut self,
        look: impl FnOnce(&mut SharedToolDetector, usize) -> Result<Next, SharedToolError>,
    ) -> Result<(), SharedToolError> {
        if let Some(detector) = &mut self.detector {
            let next = look(detector, self.scanner.depth())?;
            if let Some(watch) = detector.changed_watch() {
                self.scanner.watch(watch);
            }
            self.scanner.treat_next(next);
        }
        Ok(())
    }

    /// Buffers the beginning of a key or value that the piece's end splits, if the detector needs it.
    fn carry_seen(&mut self, text: &[u8], seen_from: usize) {
        let Some(detector) = &mut self.detector else { return };
        let from = match self.scanner.cut_key() {
            Some(key) => key,
            None if self.scanner.is_in_shown_string() => seen_from,
            None => return,
        };
        detector.carry(text.get(from..).unwrap_or_default());
    }

    /// Sends the last bytes of the current member's value, or spaces in their place.
    fn end_value(&mut self, piece: &Bytes, from: usize, to: usize, out: &mut Output) {
        match self.disposition {
            Disposition::Keep => {
                self.outer.end(piece.get(from..to).unwrap_or_default());
                out.slice(piece, from, to);
            }
            Disposition::Blank | Disposition::Bind => out.spaces(to.saturating_sub(from)),
        }
    }

    /// Sends bytes of the current member, or spaces in their place. More bytes of it follow.
    fn pass(&mut self, piece: &Bytes, from: usize, to: usize, out: &mut Output) {
        match self.disposition {
            Disposition::Keep => {
                self.outer.value(piece.get(from..to).unwrap_or_default());
                out.slice(piece, from, to);
            }
            Disposition::Blank | Disposition::Bind => out.spaces(to.saturating_sub(from)),
        }
    }

    /// Hashes bytes of the bound value, if one is being read.
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

/// Returns the error of a piece in which the scanner stopped at `at`: a malformed character there or before comes first.
#[cold]
fn first_error(piece: &[u8], cut: Cut, at: usize, fault: JsonErrorKind, received: u64) -> JsonError {
    let from = cut.rest(piece);
    let invalid = piece.get(from..).and_then(first_invalid).map(|invalid| from + invalid);
    match invalid.filter(|invalid| *invalid <= at) {
        Some(invalid) => JsonError { offset: received + invalid as u64, fault: JsonErrorKind::Utf8 },
        None => JsonError { offset: received + at as u64, fault },
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
