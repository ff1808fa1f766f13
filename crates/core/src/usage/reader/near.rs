//! Finds the first of a few bytes, mostly near.
//!
//! Names, numbers and short texts end within a dozen bytes, where calling `memchr` costs more than the search; long ones
//! are left to it.

/// How many groups of eight bytes are looked at before `memchr` is called.
const NEAR: usize = 4;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The first of a byte.
#[inline]
pub(super) fn find(needle: u8, bytes: &[u8]) -> Option<usize> {
    match near([needle], bytes) {
        Ok(at) => Some(at),
        Err(clean) => memchr::memchr(needle, bytes.get(clean..)?).map(|at| clean + at),
    }
}

/// The first of three bytes.
#[inline]
pub(super) fn find3(needles: [u8; 3], bytes: &[u8]) -> Option<usize> {
    match near(needles, bytes) {
        Ok(at) => Some(at),
        Err(clean) => memchr::memchr3(needles[0], needles[1], needles[2], bytes.get(clean..)?).map(|at| clean + at),
    }
}

/// The position, or how many bytes at the beginning have been seen to be others.
#[inline]
fn near<const N: usize>(needles: [u8; N], bytes: &[u8]) -> Result<usize, usize> {
    let (groups, _) = bytes.as_chunks::<8>();
    for (number, group) in groups.iter().take(NEAR).enumerate() {
        let group = u64::from_le_bytes(*group);
        let hits = needles.iter().fold(0, |hits, needle| hits | zeros(group ^ (ONES * u64::from(*needle))));
        if hits != 0 {
            return Ok(number * 8 + hits.trailing_zeros() as usize / 8);
        }
    }
    Err(groups.len().min(NEAR) * 8)
}

/// The high bit of every byte that is 0, up to the first such byte; beyond it others may be marked, too.
fn zeros(group: u64) -> u64 {
    group.wrapping_sub(ONES) & !group & HIGHS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finds_the_first(bytes in prop::collection::vec(prop::sample::select(b"\"\\[]!#\x00\x01\x7f\x80\xffabc".to_vec()), 0..80), skip in 0_usize..80) {
            let bytes: Vec<u8> = std::iter::repeat_n(b'x', skip).chain(bytes).collect();
            prop_assert_eq!(find(b'"', &bytes), bytes.iter().position(|byte| *byte == b'"'));
            prop_assert_eq!(find3(*b"\"[]", &bytes), bytes.iter().position(|byte| b"\"[]".contains(byte)));
        }
    }
}
