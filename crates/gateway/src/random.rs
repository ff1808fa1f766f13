//! Random bytes for request ids and form boundaries.
//!
//! Each thread has a buffer that the operating system's random source fills, so that most requests need no system call.

use std::cell::RefCell;

/// Bytes of each thread's buffer: enough for 68 request ids.
const BUFFER: usize = 1024;

/// The operating system returned no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("callsign got no random bytes from the operating system; nothing was sent")]
pub struct RandomnessError;

/// Random bytes that were not used yet.
struct Buffer {
    bytes: [u8; BUFFER],
    /// The first `unused` bytes were not handed out yet.
    unused: usize,
}

thread_local! {
    static OWN: RefCell<Buffer> = const { RefCell::new(Buffer { bytes: [0; BUFFER], unused: 0 }) };
}

/// Returns random bytes, fit for secrets.
///
/// # Errors
/// [`RandomnessError`] if the operating system has no random source.
pub fn bytes<const N: usize>() -> Result<[u8; N], RandomnessError> {
    let taken = OWN.try_with(|own| own.borrow_mut().take(|bytes| getrandom::fill(bytes).is_ok()));
    taken.unwrap_or(Err(RandomnessError))
}

impl Buffer {
    /// Hands out the last `N` unused bytes, after refilling the buffer if it has fewer.
    fn take<const N: usize>(&mut self, fill: impl FnOnce(&mut [u8]) -> bool) -> Result<[u8; N], RandomnessError> {
        if self.unused < N {
            self.unused = 0;
            if !fill(&mut self.bytes) {
                return Err(RandomnessError);
            }
            self.unused = BUFFER;
        }
        let start = self.unused.checked_sub(N).ok_or(RandomnessError)?;
        let taken = self.bytes.get_mut(start..self.unused).ok_or(RandomnessError)?;
        let random = <[u8; N]>::try_from(&*taken).map_err(|_| RandomnessError)?;
        taken.fill(0);
        self.unused = start;
        Ok(random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_byte_is_handed_out_twice() {
        let mut buffer = Buffer { bytes: [0; BUFFER], unused: 0 };
        let mut fills = 0;
        let mut seen = Vec::new();
        for _ in 0..BUFFER / 16 * 3 {
            let fill = |bytes: &mut [u8]| {
                fills += 1;
                for (number, byte) in bytes.chunks_exact_mut(2).enumerate() {
                    byte.copy_from_slice(&(u16::try_from(number).unwrap() + fills * 1000).to_be_bytes());
                }
                true
            };
            seen.extend(buffer.take::<16>(fill).unwrap().chunks_exact(2).map(<[u8]>::to_vec));
        }
        assert_eq!(fills, 3);
        let handed_out = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), handed_out);
        assert_eq!(buffer.bytes, [0; BUFFER], "handed-out bytes are erased");
    }

    #[test]
    fn a_missing_source_is_an_error_each_time() {
        let mut buffer = Buffer { bytes: [0; BUFFER], unused: 3 };
        assert_eq!(buffer.take::<15>(|_| false), Err(RandomnessError));
        assert_eq!(buffer.take::<1>(|_| false), Err(RandomnessError), "a failed fill leaves nothing to hand out");
        assert_eq!(buffer.take::<{ BUFFER + 1 }>(|_| true), Err(RandomnessError));
        assert!(buffer.take::<15>(|_| true).is_ok());
    }

    #[test]
    fn two_draws_differ() {
        assert_ne!(bytes::<15>(), bytes::<15>());
    }
}
