//! Finds the ends of strings' texts, ahead of the scanner.
//!
//! The kernel (`text/kernel.rs`) classifies the piece in windows of [`WINDOW`] bytes, whatever is string or not. The
//! result is one bit per byte that could end a text, so that the end of a text is the next bit after its beginning.
//! Classifying ahead costs the same for many short texts as for one long text, and the processor does not wait for the
//! end of one text to begin with the next.
//!
//! Outside strings the bits mean nothing: nobody asks there. A backslash outside a string is an error, at which the
//! scanner stops, so the parity of backslashes is right wherever the scanner arrives.

mod escapes;
mod kernel;
mod tables;
mod utf8;

use fearless_simd::{Simd, dispatch};

use super::instructions::Instructions;
use super::utf8::{Cut, first_invalid};
use escapes::Carry;
use kernel::{Fault, Kernel};
use tables::BLOCK;

/// Masks in a window.
const WORDS: usize = 64;
/// Bytes in a window.
const WINDOW: usize = WORDS * BLOCK;

/// A piece and the ends of its texts.
#[derive(Debug)]
pub(super) struct Text<'b> {
    bytes: &'b [u8],
    instructions: Instructions,
    window: Window,
    /// The beginning of the window in the piece.
    from: usize,
    /// The number of bytes that were classified. At a malformed escape this is all of the piece, because the scanner
    /// cannot pass that escape.
    to: usize,
    /// The beginning of a malformed escape or character that an earlier window had classified as sound.
    fault: Option<usize>,
    /// The character that the end of the last piece split.
    cut: Cut,
}

/// The masks of the bytes of a window.
#[derive(Debug)]
struct Window {
    /// The bytes that end a text: quotes that are not escaped, control characters, the backslash of a malformed or
    /// incomplete escape, and the first byte of a malformed character.
    ///
    /// The last mask stays zero, so that each other one has a neighbour.
    ends: [u64; WORDS + 1],
    /// The backslashes.
    slashes: [u64; WORDS],
    carry: Carry,
}

impl<'b> Text<'b> {
    /// Creates the index of a piece; `escaped` is true if the piece begins between a backslash and its letter.
    /// `cut` is the character that the piece continues.
    pub(super) fn new(bytes: &'b [u8], instructions: Instructions, escaped: bool, cut: Cut) -> Self {
        let carry = Carry::escaping(escaped);
        let window = Window { ends: [0; WORDS + 1], slashes: [0; WORDS], carry };
        Self { bytes, instructions, window, from: 0, to: 0, fault: None, cut }
    }

    /// Returns the piece.
    pub(super) fn bytes(&self) -> &'b [u8] {
        self.bytes
    }

    /// Returns the end of the text that begins at `at`: a quote, a control character, the backslash of a malformed or
    /// incomplete escape, or the end of the piece. Later calls must not go back behind a returned end.
    #[inline]
    pub(super) fn end(&mut self, at: usize) -> usize {
        let next = self.window.next_ends(at.wrapping_sub(self.from));
        if next == 0 { self.far_end(at) } else { at + next.trailing_zeros() as usize }
    }

    /// Returns the end of a text that is longer than a block or ends in a window that is not classified yet.
    fn far_end(&mut self, at: usize) -> usize {
        let mut from = at.saturating_sub(self.from);
        loop {
            let next = self.window.next_ends(from);
            if next != 0 {
                return self.from + from + next.trailing_zeros() as usize;
            }
            let rest = self.window.ends.get(from / BLOCK + 1..).unwrap_or_default();
            if let Some((skipped, word)) = rest.iter().enumerate().find(|(_, word)| **word != 0) {
                return self.from + (from / BLOCK + 1 + skipped) * BLOCK + word.trailing_zeros() as usize;
            }
            if self.to == self.bytes.len() {
                return self.fault.unwrap_or(self.to);
            }
            self.classify_next();
            from = at.saturating_sub(self.from);
        }
    }

    /// Returns false only if the text in this range has no escape.
    pub(super) fn may_have_escapes(&self, from: usize, end: usize) -> bool {
        let (Some(first), Some(length)) = (from.checked_sub(self.from), end.checked_sub(from)) else { return true };
        let word = self.window.slashes.get(first / BLOCK).map_or(0, |word| word >> (first % BLOCK));
        if first % BLOCK + length <= BLOCK {
            return length > 0 && word << (BLOCK - length) != 0;
        }
        // Longer texts are rare.
        memchr::memchr(b'\\', self.bytes.get(from..end).unwrap_or_default()).is_some()
    }

    /// Classifies the next window.
    #[cold]
    fn classify_next(&mut self) {
        let rest = self.bytes.get(self.to..).unwrap_or_default();
        let (part, is_last) = rest.get(..WINDOW).map_or((rest, true), |part| (part, rest.len() == WINDOW));
        let before = self.bytes.get(..self.to).and_then(|done| done.last_chunk::<BLOCK>());
        let before = before.copied().unwrap_or_else(|| self.cut.block());
        self.from = self.to;
        let window = &mut self.window;
        let fault = dispatch!(self.instructions.level(), simd => window.classify(simd, part, before, is_last));
        self.to += part.len();
        if let Some(fault) = fault {
            self.stop_at(fault);
        }
    }

    /// Ends the index at the malformed escapes and characters whose wrong or missing bytes are given.
    #[cold]
    fn stop_at(&mut self, fault: Fault) {
        self.to = self.bytes.len();
        if let Some(at) = fault.escape {
            // Between the backslash and the wrong byte are only a `u` and digits. The escape may have begun in an
            // earlier piece, in which case the scanner is in it.
            let before = self.bytes.get(..self.from + at).unwrap_or_default();
            if let Some(backslash) = before.iter().rposition(|byte| *byte == b'\\') {
                self.end_at(backslash);
            }
        }
        if fault.character {
            let from = self.cut.rest(self.bytes);
            if let Some(invalid) = self.bytes.get(from..).and_then(first_invalid) {
                self.end_at(from + invalid);
            }
        }
    }

    /// Ends the text at `at`, a byte that the scanner does not pass.
    fn end_at(&mut self, at: usize) {
        let Some(inside) = at.checked_sub(self.from) else {
            // Nothing in this window comes before it.
            self.window.ends = [0; WORDS + 1];
            self.fault = Some(self.fault.map_or(at, |fault| fault.min(at)));
            return;
        };
        if self.fault.is_none()
            && let Some(word) = self.window.ends.get_mut(inside / BLOCK)
        {
            *word |= 1 << (inside % BLOCK);
        }
    }
}

impl Window {
    /// Returns the mask of the block's length of bytes from `at` on, which need not be the beginning of a block.
    #[inline]
    fn next_ends(&self, at: usize) -> u64 {
        let words = self.ends.get(at / BLOCK..).and_then(|words| words.first_chunk());
        let Some([word, next]) = words else { return 0 };
        let skipped = at % BLOCK;
        // The first shift makes room where nothing is skipped.
        word >> skipped | next << 1 << (BLOCK - 1 - skipped)
    }

    /// Classifies `bytes`; `before` are the bytes before them. Stops at the first block with a fault, and returns it; the
    /// masks behind that block are zero.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "vector code must be compiled with the caller's instructions")]
    fn classify<S: Simd>(&mut self, simd: S, bytes: &[u8], before: [u8; BLOCK], is_last: bool) -> Option<Fault> {
        let (blocks, tail) = bytes.as_chunks::<BLOCK>();
        let mut words = self.ends.iter_mut().zip(&mut self.slashes);
        let mut kernel = Kernel::new(simd, before, self.carry);
        let mut fault = None;
        for (index, block) in blocks.iter().enumerate() {
            let Some((ends, slashes)) = words.next() else { break };
            let found = kernel.masks(block);
            (*ends, *slashes) = (found.ends, found.slashes);
            if found.has_fault() {
                fault = Some(found.fault(index));
                break;
            }
        }
        if is_last && fault.is_none() {
            // Spaces after the piece end no text, and an escape that needs them is incomplete. A character is not: the
            // next piece may continue it.
            let mut found = kernel.masks(&padded(tail));
            found.malformed &= (1 << tail.len()) - 1;
            if let Some((ends, slashes)) = words.next() {
                (*ends, *slashes) = (found.ends, found.slashes);
            }
            fault = found.has_fault().then(|| found.fault(blocks.len()));
            // The next byte shows that these begin no character, and here is none.
            if let (None, Some(0xc0 | 0xc1 | 0xf5..)) = (fault, bytes.last()) {
                fault = Some(Fault { escape: None, character: true });
            }
        }
        self.carry = kernel.carry();
        // Masks of an earlier window.
        words.for_each(|(ends, slashes)| (*ends, *slashes) = (0, 0));
        fault
    }
}

/// Returns the last bytes of a piece as a block that is filled up with spaces.
#[inline(always)]
#[expect(clippy::inline_always, reason = "vector code must be compiled with the caller's instructions")]
fn padded(rest: &[u8]) -> [u8; BLOCK] {
    let mut block = [b' '; BLOCK];
    if let Some(start) = block.get_mut(..rest.len()) {
        start.copy_from_slice(rest);
    }
    block
}

#[cfg(test)]
mod tests;
