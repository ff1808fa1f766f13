//! The id of a request: `x-callsign-request-id`, and the key of its ledger row (docs/SPEC.md#request-id).

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32HEX_NOPAD;

/// Random bytes of an id: 120 bits.
pub const RANDOM: usize = 15;
/// Bytes of the time: milliseconds since 1970, big-endian, so that ids sort by time.
const TIME: usize = 6;
/// Bytes of an id.
pub const LENGTH: usize = TIME + RANDOM;

/// The id of a request: its start in milliseconds and 120 random bits. Ids sort by time. As text it has 34 characters
/// of `0-9a-v` (base32hex).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId([u8; LENGTH]);

/// A text that is not a request id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a request id has 34 characters of 0-9 and a-v")]
pub struct RequestIdError;

impl RequestId {
    /// The smallest id.
    pub const MIN: Self = Self([0; LENGTH]);
    /// The largest id.
    pub const MAX: Self = Self([0xff; LENGTH]);

    /// Creates the id of a request that began at this time (microseconds since 1970). `random` must come from a
    /// cryptographic source.
    pub fn new(began_us: i64, random: [u8; RANDOM]) -> Self {
        let mut id = Self::first_at(began_us);
        let (_, rest) = id.0.split_at_mut(TIME);
        rest.copy_from_slice(&random);
        id
    }

    /// Returns the smallest id of a request that began in this millisecond.
    pub fn first_at(began_us: i64) -> Self {
        let ms = u64::try_from(began_us.div_euclid(1000)).unwrap_or_default().min((1 << (8 * TIME)) - 1);
        let mut id = [0; LENGTH];
        let (time, _) = id.split_at_mut(TIME);
        let [_, _, bytes @ ..] = ms.to_be_bytes();
        time.copy_from_slice(&bytes);
        Self(id)
    }

    /// Reads a stored id; `None` if it does not have 21 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Returns the bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&BASE32HEX_NOPAD.encode(&self.0).to_ascii_lowercase())
    }
}

impl FromStr for RequestId {
    type Err = RequestIdError;

    /// Parses the text form, in upper or lower case.
    fn from_str(text: &str) -> Result<Self, RequestIdError> {
        let bytes = BASE32HEX_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).map_err(|_| RequestIdError)?;
        Self::from_bytes(&bytes).ok_or(RequestIdError)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_has_120_random_bits_and_34_characters() {
        let id = RequestId::new(1_790_000_000_000_000, [0xff; RANDOM]);
        let text = id.to_string();
        assert_eq!((text.len(), text.parse()), (34, Ok(id)));
        assert!(text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'v').contains(&byte)), "{text}");
        for other in ["", "x", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", &text[1..], &format!("{text}00")] {
            assert_eq!(other.parse::<RequestId>(), Err(RequestIdError), "{other}");
        }
    }

    proptest! {
        #[test]
        fn ids_sort_by_time(early in 0..1_i64 << 57, later in 1000..1_i64 << 40, a: [u8; RANDOM], b: [u8; RANDOM]) {
            let (first, second) = (RequestId::new(early, a), RequestId::new(early + later, b));
            prop_assert!(first < second);
            prop_assert!(first.to_string() < second.to_string());
            prop_assert!(RequestId::first_at(early) <= first && first < RequestId::first_at(early + later));
        }
    }
}
