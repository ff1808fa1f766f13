//! Money, in whole billionths of a US dollar: sums are exact, no binary fraction ever holds a price.

/// An amount in nano-USD (10⁻⁹ US dollars).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NanoUsd(pub i64);
