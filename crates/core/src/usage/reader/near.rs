//! Finds the first occurrence of a byte, fast for short distances.
//!
//! Names, numbers and short texts end within a dozen bytes. Calling `memchr` costs more than searching these, so it is
//! called only for the rest.

/// Number of groups of eight bytes that are searched before `memchr` is called.
const NEAR: usize = 4;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Returns the first position of a byte.
#[inline]
pub(super) fn find(needle: u8, bytes: &[u8]) -> Option<usize> {
    match near([needle], bytes) {
        Ok(at) => Some(at),
        Err(clean) => memchr::memchr(needle, bytes.get(clean..)?).map(|at| clean + at),
    }
}

/// Returns the first position of any of three bytes.
#[inline]
pub(super) fn find3(needles: [u8; 3], bytes: &[u8]) -> Option<usize> {
    match near(needles, bytes) {
        Ok(at) => Some(at),
        Err(clean) => memchr::memchr3(needles[0], needles[1], needles[2], bytes.get(clean..)?).map(|at| clean + at),
    }
}

/// Searches the first groups. Returns the position, or the number of bytes that contain none of the needles.
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

/// Returns a mask with the high bit of the first byte that is 0. It has no bits of bytes before that one, and may have
/// wrong bits of bytes after it.
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
