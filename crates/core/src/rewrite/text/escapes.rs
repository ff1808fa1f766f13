//! Resolves the escapes of a block in bit masks.
//!
//! A mask has one bit per byte of a block, the lowest bit for its first byte. Example, first byte on the left:
//!
//! ```text
//! bytes      a \ n b \ \ "      . is a bit that is 0
//! slash      . 1 . . 1 1 .      backslashes
//! escaping   . 1 . . 1 . .      backslashes that begin an escape
//! escaped    . . 1 . . 1 .      the bytes after those
//! quote      . . . . . . 1      quotes
//! ends       . . . . . . 1      quotes that are not escaped, and control characters
//! ```
//!
//! An escaped byte must be a letter of RFC 8259, section 7. After an escaped `u`, the next four bytes must be
//! hexadecimal digits. All other escapes are faults.

// Every function must become a part of its caller, which has the vector instructions. Closures are not inlined reliably.
#![expect(clippy::inline_always, reason = "vector code must be compiled with the caller's instructions")]

use fearless_simd::{Simd, prelude::*, u8x64};

use super::tables::{BLOCK, one, range, table};

/// Hexadecimal digits of a `\u` escape.
const DIGITS: u32 = 4;
/// Every second bit, beginning with the second.
const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;

/// The requirement of an escape at the end of a block on the next block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Carry {
    /// True if the first byte is escaped.
    escaped: bool,
    /// The bytes that must be hexadecimal digits.
    digits: u64,
}

impl Carry {
    /// Returns the requirements of a backslash at the end of a block if `escaped` is true, and none otherwise.
    pub(super) fn escaping(escaped: bool) -> Self {
        Self { escaped, digits: 0 }
    }

    /// Returns true if an escape continues in the next block.
    #[inline(always)]
    pub(super) fn is_pending(self) -> bool {
        self.escaped || self.digits != 0
    }
}

/// The escapes of a block.
pub(super) struct Escapes {
    /// The bytes after the backslashes that begin an escape.
    pub(super) escaped: u64,
    /// The bytes at which an escape is malformed.
    pub(super) faults: u64,
    pub(super) next: Carry,
}

/// Resolves the escapes of a block with these quotes and backslashes.
#[inline(always)]
pub(super) fn resolve<S: Simd>(simd: S, bytes: u8x64<S>, quotes: u64, slashes: u64, carry: Carry) -> Escapes {
    let (escaped, next_escaped) = escaped(slashes, carry.escaped);
    let mut found = Escapes { escaped, faults: 0, next: Carry::escaping(next_escaped) };
    // Prose has no other escapes than these, and text in `\u` escapes has others in every block.
    let others = escaped & !(quotes | slashes | bytes.simd_eq(b'n').to_bitmask());
    if others | carry.digits != 0 {
        (found.faults, found.next.digits) = check(simd, bytes, others, carry.digits);
    }
    found
}

/// Checks the escaped bytes and the digits of a block. Returns the bytes that are wrong, and the bytes of the next block
/// that must be digits.
#[inline(always)]
fn check<S: Simd>(simd: S, bytes: u8x64<S>, escaped: u64, digits: u64) -> (u64, u64) {
    let classes = classes(simd, bytes);
    let numbers = bytes.simd_eq(b'u').to_bitmask() & escaped;
    // The bits one to four places after each `u`; what leaves this block is the next one's.
    let two = numbers | numbers << 1;
    let digits = digits | (two | two << 2) << 1;
    let last = numbers >> (u64::BITS - DIGITS);
    let two = last | last >> 1;
    let next_digits = two | two >> 2;
    ((escaped & !(classes.letters | numbers)) | (digits & !classes.digits), next_digits)
}

/// Returns the escaped bytes, and true if the next block's first byte is escaped.
///
/// In a run of backslashes, every second one is escaped, and the byte after a run of odd length. Subtraction finds the
/// ends of all runs at once: subtracting a run from the even or odd bits behind its beginning borrows through the run,
/// and leaves a bit at its end where the length is odd.
#[inline(always)]
fn escaped(slashes: u64, first: bool) -> (u64, bool) {
    let first = u64::from(first);
    let open = slashes & !first;
    let ends = ((open << 1) | ODD).wrapping_sub(open) ^ ODD;
    let escaped = ends ^ (slashes | first);
    let escaping = ends & slashes;
    (escaped, escaping >> (u64::BITS - 1) == 1)
}

/// Kinds of bytes inside an escape.
struct Classes {
    /// The letters of escapes with one letter.
    letters: u64,
    /// Hexadecimal digits.
    digits: u64,
}

/// Bits of the two tables.
const PUNCTUATION: u8 = 1;
const BACKSLASH: u8 = 2;
const LETTER_6: u8 = 4;
const LETTER_7: u8 = 8;
const DIGIT: u8 = 16;
const DIGIT_LETTER: u8 = 32;

/// Kinds by the upper half of a byte.
const UPPER: [u8; BLOCK] = table([
    (PUNCTUATION, one(0x2)),
    (DIGIT, one(0x3)),
    (DIGIT_LETTER, one(0x4) | one(0x6)),
    (BACKSLASH, one(0x5)),
    (LETTER_6, one(0x6)),
    (LETTER_7, one(0x7)),
]);

/// Kinds by the lower half of a byte.
const LOWER: [u8; BLOCK] = table([
    // `"` and `/`
    (PUNCTUATION, one(0x2) | one(0xf)),
    (DIGIT, range(0, 9)),
    // `A` to `F` and `a` to `f`
    (DIGIT_LETTER, range(1, 6)),
    (BACKSLASH, one(0xc)),
    // `b`, `f` and `n`
    (LETTER_6, one(0x2) | one(0x6) | one(0xe)),
    // `r` and `t`
    (LETTER_7, one(0x2) | one(0x4)),
]);

#[inline(always)]
fn classes<S: Simd>(simd: S, bytes: u8x64<S>) -> Classes {
    let lower = simd.swizzle_dyn_within_blocks_u8x64(u8x64::simd_from(simd, LOWER), bytes & 0xf);
    let upper = simd.swizzle_dyn_within_blocks_u8x64(u8x64::simd_from(simd, UPPER), bytes >> 4);
    let kinds = lower & upper;
    Classes {
        letters: (kinds & (PUNCTUATION | BACKSLASH | LETTER_6 | LETTER_7)).simd_ne(0).to_bitmask(),
        digits: (kinds & (DIGIT | DIGIT_LETTER)).simd_ne(0).to_bitmask(),
    }
}
