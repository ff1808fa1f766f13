//! The digest of an id that replaces the id of a forgotten user in blocks, run-time limits and the audit log
//! (docs/SPEC.md#forget).

use sha2::{Digest, Sha256};

/// Length of the digest in bytes.
const LENGTH: usize = 16;

/// Returns the digest of an id, as text: the first 128 bits of its SHA-256.
pub(in crate::limits) fn digest(id: &str) -> String {
    let digest = Sha256::digest(id);
    data_encoding::HEXLOWER.encode(digest.get(..LENGTH).unwrap_or_default())
}

/// Returns true if an id has the form of a digest.
pub(in crate::limits) fn is_digest(id: &str) -> bool {
    data_encoding::HEXLOWER.decode(id.as_bytes()).is_ok_and(|bytes| bytes.len() == LENGTH)
}

/// Returns true if a stored id, which may be a digest, is this id.
pub(in crate::limits) fn is_same(stored: &str, forgotten: bool, id: &str) -> bool {
    // The digest itself is accepted too: lists show it.
    stored == id || (forgotten && stored == digest(id))
}
