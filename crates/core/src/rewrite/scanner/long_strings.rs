//! The long string values of a body.

/// A longer string value is counted by itself (docs/SPEC.md#reservations).
const LONG_STRING: usize = 16 * 1024;

/// The string values of more than [`LONG_STRING`] bytes. They are mostly images or files, whose tokens do not grow with
/// their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct LongStrings {
    pub(in super::super) count: u64,
    pub(in super::super) bytes: u64,
}

impl LongStrings {
    pub(super) fn add(&mut self, bytes: usize) {
        if bytes > LONG_STRING {
            self.count += 1;
            self.bytes += bytes as u64;
        }
    }
}
