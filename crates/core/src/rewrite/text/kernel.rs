//! The kernel: the masks of one block after another.
//!
//! It is written once. The compiler makes one version for each set of vector instructions ([`super::Instructions`]).

#![expect(clippy::inline_always, reason = "vector code must be compiled with the caller's instructions")]

use fearless_simd::{Simd, prelude::*, u8x64};

use super::escapes::{Carry, resolve};
use super::tables::BLOCK;
use super::utf8;

/// The state between two blocks.
pub(super) struct Kernel<S: Simd> {
    simd: S,
    before: u8x64<S>,
    /// True if a character may continue in the next block.
    open: bool,
    carry: Carry,
    /// One bit for each of the last blocks, the lowest for the last one: 1 if it has a backslash.
    recent: u8,
}

/// The masks of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Masks {
    /// Bytes that end a text: quotes that are not escaped, and control characters.
    pub(super) ends: u64,
    /// All backslashes.
    pub(super) slashes: u64,
    /// Bytes at which an escape is malformed.
    pub(super) faults: u64,
    /// Bytes at which a character is malformed.
    pub(super) malformed: u64,
}

/// A malformed escape or character in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The wrong or missing byte of an escape.
    pub(super) escape: Option<usize>,
    /// True if a character is malformed.
    pub(super) character: bool,
}

impl<S: Simd> Kernel<S> {
    /// Begins after the bytes `before`.
    #[inline(always)]
    pub(super) fn new(simd: S, before: [u8; BLOCK], carry: Carry) -> Self {
        let before = u8x64::simd_from(simd, before);
        Self { simd, before, open: utf8::is_open(utf8::not_ascii(before)), carry, recent: 0 }
    }

    /// Returns what an escape at the end of the last block requires of the next.
    #[inline(always)]
    pub(super) fn carry(&self) -> Carry {
        self.carry
    }

    /// Returns the masks of the next block.
    #[inline(always)]
    pub(super) fn masks(&mut self, block: &[u8; BLOCK]) -> Masks {
        let bytes = u8x64::simd_from(self.simd, *block);
        let quotes = bytes.simd_eq(b'"').to_bitmask();
        let slashes = bytes.simd_eq(b'\\').to_bitmask();
        let controls = bytes.simd_lt(b' ').to_bitmask();
        let not_ascii = utf8::not_ascii(bytes);
        let mut masks = Masks { ends: quotes | controls, slashes, faults: 0, malformed: 0 };
        // Blocks with and without escapes alternate in most texts, which no processor predicts. So blocks that follow
        // one with escapes are treated alike.
        self.recent = self.recent << 1 | u8::from(slashes != 0);
        if self.recent != 0 || self.carry.is_pending() {
            let found = resolve(self.simd, bytes, quotes, slashes, self.carry);
            masks.ends = (quotes & !found.escaped) | controls;
            masks.faults = found.faults;
            self.carry = found.next;
        }
        if not_ascii != 0 || self.open {
            masks.malformed = utf8::faults(self.simd, self.before, bytes);
            self.open = utf8::is_open(not_ascii);
        }
        self.before = bytes;
        masks
    }
}

impl Masks {
    #[inline(always)]
    pub(super) fn has_fault(&self) -> bool {
        self.faults | self.malformed != 0
    }

    /// Returns the faults of the block with this index.
    pub(super) fn fault(&self, index: usize) -> Fault {
        let escape = (self.faults != 0).then(|| index * BLOCK + self.faults.trailing_zeros() as usize);
        Fault { escape, character: self.malformed != 0 }
    }
}
