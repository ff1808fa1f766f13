//! The kernel for UTF-8 (RFC 3629): finds the first byte that is wrong, 64 bytes at a time.
//!
//! Nearly every mistake shows in two consecutive bytes, and there in three half bytes: the first byte's two and the
//! second byte's upper one. So each kind of mistake is a rule over three sets of half bytes. That a third or fourth
//! byte of a character must be a continuation shows in the bytes two and three before it. The method is that of
//! Keiser and Lemire, "Validating UTF-8 In Less Than One Instruction Per Byte" (2021).

#![expect(clippy::inline_always, reason = "vector code must be compiled with the caller's instructions")]

use fearless_simd::{Simd, prelude::*, u8x64};

use super::tables::{BLOCK, Halves, one, range, table};

/// A kind of mistake: its bit, and the sets of the first byte's upper and lower half and the next byte's upper half.
type Rule = (u8, Halves, Halves, Halves);

const ANY: Halves = range(0x0, 0xf);
const CONTINUATION: Halves = range(0x8, 0xb);
/// A continuation after a continuation is a mistake, except as the third or fourth byte of a character.
const THIRD_OR_FOURTH: u8 = 0x80;

const RULES: [Rule; 8] = [
    // A character begins and does not go on.
    (0x01, range(0xc, 0xf), ANY, ANY & !CONTINUATION),
    // A continuation after ASCII.
    (0x02, range(0x0, 0x7), ANY, CONTINUATION),
    (THIRD_OR_FOURTH, CONTINUATION, ANY, CONTINUATION),
    // Too long a form for the character: two bytes, three bytes.
    (0x04, one(0xc), range(0x0, 0x1), CONTINUATION),
    (0x08, one(0xe), one(0x0), range(0x8, 0x9)),
    // Surrogates.
    (0x10, one(0xe), one(0xd), range(0xa, 0xb)),
    // Too long a form in four bytes (F0 8x), or beyond U+10FFFF (F5 8x and more).
    (0x20, one(0xf), one(0x0) | range(0x5, 0xf), one(0x8)),
    // Beyond U+10FFFF (F4 9x and more).
    (0x40, one(0xf), range(0x4, 0xf), range(0x9, 0xb)),
];

const FIRST_UPPER: [u8; BLOCK] = sets(1);
const FIRST_LOWER: [u8; BLOCK] = sets(2);
const NEXT_UPPER: [u8; BLOCK] = sets(3);

/// Returns the table of all rules' sets of this kind.
const fn sets(kind: usize) -> [u8; BLOCK] {
    let mut rules = [(0, 0); RULES.len()];
    let mut at = 0;
    while at < RULES.len() {
        let (bit, first_upper, first_lower, next_upper) = RULES[at];
        rules[at] = (bit, [first_upper, first_lower, next_upper][kind - 1]);
        at += 1;
    }
    table(rules)
}

/// Returns one bit per byte that is not ASCII.
#[inline(always)]
pub(super) fn not_ascii<S: Simd>(bytes: u8x64<S>) -> u64 {
    bytes.simd_ge(0x80).to_bitmask()
}

/// Returns true if a character may continue in the block after these bytes that are not ASCII.
#[inline(always)]
pub(super) fn is_open(not_ascii: u64) -> bool {
    not_ascii >> (BLOCK - 3) != 0
}

/// Returns one bit per byte that cannot follow the bytes before it; `before` is the block before.
#[inline(always)]
pub(super) fn faults<S: Simd>(simd: S, before: u8x64<S>, bytes: u8x64<S>) -> u64 {
    let (one_before, two_before, three_before) =
        (before.slide::<63>(bytes), before.slide::<62>(bytes), before.slide::<61>(bytes));
    let first_upper = simd.swizzle_dyn_within_blocks_u8x64(u8x64::simd_from(simd, FIRST_UPPER), one_before >> 4);
    let first_lower = simd.swizzle_dyn_within_blocks_u8x64(u8x64::simd_from(simd, FIRST_LOWER), one_before & 0xf);
    let next_upper = simd.swizzle_dyn_within_blocks_u8x64(u8x64::simd_from(simd, NEXT_UPPER), bytes >> 4);
    let mistakes = first_upper & first_lower & next_upper;
    // The upper bit remains where a character of three or four bytes began two bytes before, or of four bytes three.
    let third = two_before.saturating_sub(0xe0 - 0x80);
    let fourth = three_before.saturating_sub(0xf0 - 0x80);
    ((third | fourth) & THIRD_OR_FOURTH ^ mistakes).simd_ne(0).to_bitmask()
}
