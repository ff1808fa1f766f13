//! Finds the ends of strings' texts, ahead of the scanner.
//!
//! The kernel (`text/masks.rs`) classifies the piece in windows of [`WINDOW`] bytes, whatever is string or not. The
//! result is one bit per byte that could end a text, so that the end of a text is the next bit after its beginning.
//! Classifying ahead costs the same for many short texts as for one long text, and the processor does not wait for the
//! end of one text to begin with the next.
//!
//! Outside strings the bits mean nothing: nobody asks there. A backslash outside a string is an error, at which the
//! scanner stops, so the parity of backslashes is right wherever the scanner arrives.

mod masks;

use fearless_simd::{Simd, dispatch};

use super::instructions::Instructions;
use masks::{BLOCK, Carry, masks};

/// Masks in a window.
const WORDS: usize = 32;
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
    /// The backslash of a malformed escape that an earlier window had classified as sound.
    fault: Option<usize>,
}

/// The masks of the bytes of a window.
#[derive(Debug)]
struct Window {
    /// The bytes that end a text: quotes that are not escaped, control characters, the backslash of a malformed or
    /// incomplete escape, and the end of the piece.
    ends: [u64; WORDS],
    /// The backslashes.
    slashes: [u64; WORDS],
    carry: Carry,
}

impl<'b> Text<'b> {
    /// Creates the index of a piece; `escaped` is true if the piece begins between a backslash and its letter.
    pub(super) fn new(bytes: &'b [u8], instructions: Instructions, escaped: bool) -> Self {
        let carry = Carry::escaping(escaped);
        let window = Window { ends: [0; WORDS], slashes: [0; WORDS], carry };
        Self { bytes, instructions, window, from: 0, to: 0, fault: None }
    }

    /// Returns the piece.
    pub(super) fn bytes(&self) -> &'b [u8] {
        self.bytes
    }

    /// Returns the end of the text that begins at `at`: a quote, a control character, the backslash of a malformed or
    /// incomplete escape, or the end of the piece. Later calls must not go back behind a returned end.
    #[inline]
    pub(super) fn end(&mut self, at: usize) -> usize {
        let word = self.window.ends.get((at - self.from) / BLOCK).map_or(0, |word| word >> (at % BLOCK));
        if word == 0 { self.far_end(at) } else { at + word.trailing_zeros() as usize }
    }

    /// Returns the end of a text that does not end in the block in which it begins.
    fn far_end(&mut self, at: usize) -> usize {
        let mut next = at.saturating_sub(self.from) / BLOCK + 1;
        loop {
            let rest = self.window.ends.get(next..).unwrap_or_default();
            if let Some((skipped, word)) = rest.iter().enumerate().find(|(_, word)| **word != 0) {
                return self.from + (next + skipped) * BLOCK + word.trailing_zeros() as usize;
            }
            if self.to == self.bytes.len() {
                return self.fault.unwrap_or(self.to);
            }
            self.classify_next();
            next = 0;
            if let Some(inside) = at.checked_sub(self.from) {
                let word = self.window.ends.get(inside / BLOCK).map_or(0, |word| word >> (at % BLOCK));
                if word != 0 {
                    return at + word.trailing_zeros() as usize;
                }
                next = inside / BLOCK + 1;
            }
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
        self.from = self.to;
        let window = &mut self.window;
        let fault = dispatch!(self.instructions.level(), simd => window.classify(simd, part, is_last));
        self.to += part.len();
        if let Some(fault) = fault {
            self.stop_at(self.from + fault);
        }
    }

    /// Ends the index at the escape whose byte `at` is wrong or missing.
    #[cold]
    fn stop_at(&mut self, at: usize) {
        self.to = self.bytes.len();
        // Between the backslash and the wrong byte are only a `u` and digits. The escape may have begun in an earlier
        // piece, in which case the scanner is in it.
        let before = self.bytes.get(..at).unwrap_or_default();
        let Some(backslash) = before.iter().rposition(|byte| *byte == b'\\') else { return };
        match backslash.checked_sub(self.from) {
            Some(inside) => {
                if let Some(word) = self.window.ends.get_mut(inside / BLOCK) {
                    *word |= 1 << (inside % BLOCK);
                }
            }
            None => self.fault = Some(backslash),
        }
    }
}

impl Window {
    /// Classifies `bytes`. Returns the first wrong or missing byte of an escape; the masks behind it are zero.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "vector code must be compiled with the caller's instructions")]
    fn classify<S: Simd>(&mut self, simd: S, bytes: &[u8], is_last: bool) -> Option<usize> {
        let (blocks, tail) = bytes.as_chunks::<BLOCK>();
        let mut words = self.ends.iter_mut().zip(&mut self.slashes);
        let mut fault = None;
        let mut carry = self.carry;
        for (index, block) in blocks.iter().enumerate() {
            let Some((ends, slashes)) = words.next() else { break };
            let (found, next) = masks(simd, block, carry);
            (*ends, *slashes, carry) = (found.ends, found.slashes, next);
            if found.faults != 0 {
                fault = Some(index * BLOCK + found.faults.trailing_zeros() as usize);
                break;
            }
        }
        if is_last && fault.is_none() {
            // Spaces after the piece end no text, and an escape that needs them is incomplete.
            let (found, _) = masks(simd, &padded(tail), carry);
            if let Some((ends, slashes)) = words.next() {
                (*ends, *slashes) = (found.ends, found.slashes);
            }
            if found.faults != 0 {
                fault = Some(blocks.len() * BLOCK + found.faults.trailing_zeros() as usize);
            }
        }
        self.carry = carry;
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
