//! Tables by half bytes, for the instruction that looks up 16 values at once.
//!
//! A rule names sets of half bytes. Its bit stands in each table at the members of the table's set, so that the bit
//! survives the AND of all tables' values exactly where every half byte is in its set.

/// Bytes in a block: one per bit of a mask.
pub(super) const BLOCK: usize = 64;

/// A set of values of four bits.
pub(super) type Halves = u16;

/// Returns the values from `first` to `last`.
pub(super) const fn range(first: u8, last: u8) -> Halves {
    let mut set = 0;
    let mut half = first;
    while half <= last {
        set |= 1 << half;
        half += 1;
    }
    set
}

/// Returns the set of one value.
pub(super) const fn one(half: u8) -> Halves {
    range(half, half)
}

/// Returns the table that has the bit of each `(bit, set)` at the members of its set, repeated in every 16 bytes, where
/// the instruction looks for it.
pub(super) const fn table<const RULES: usize>(rules: [(u8, Halves); RULES]) -> [u8; BLOCK] {
    let mut table = [0; BLOCK];
    let mut at = 0;
    while at < BLOCK {
        let mut rule = 0;
        while rule < RULES {
            let (bit, set) = rules[rule];
            if set & (1 << (at % 16)) != 0 {
                table[at] |= bit;
            }
            rule += 1;
        }
        at += 1;
    }
    table
}
