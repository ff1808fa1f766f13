//! The redacting type that every key, token and password lives in.
//!
//! A [`Secret`] has no `Display`, prints `***` under `Debug`, is wiped when dropped and gives its bytes away only
//! through [`Secret::expose`], so that a reviewer can find every place that reads one.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// A string that must never reach a log, an error, a metric or an answer.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Wraps `value`; the original allocation is taken over, not copied.
    pub fn new(value: impl Into<String>) -> Self {
        Self(SecretString::from(value.into()))
    }

    /// The secret itself. Keep the borrow short and never format it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The secret's length in bytes, which may be checked and said aloud.
    pub fn len(&self) -> usize {
        self.expose().len()
    }

    /// Whether it is the empty string.
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }

    /// Its SHA-256: what keys are compared by (contract, section 4).
    pub fn digest(&self) -> KeyDigest {
        KeyDigest::of(self.expose().as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The SHA-256 of a key. Safe to keep, to compare and to print: it opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// Digests the bytes of a key as they arrive on the wire.
    pub fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// Reads 64 hexadecimal digits of any case; `None` for anything else.
    pub fn from_hex(hex: &str) -> Option<Self> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// 64 lower-case hexadecimal digits, as `[[keys]] sha256` holds them.
    pub fn to_hex(self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        let secret = Secret::new("sk-or-v1-very-secret");
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "*** Some(***)");
    }

    #[test]
    fn a_digest_is_read_back_from_its_hex_form() {
        let digest = Secret::new("abc").digest();
        assert_eq!(digest.to_hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(KeyDigest::from_hex(&digest.to_hex().to_uppercase()), Some(digest));
        assert_eq!(KeyDigest::from_hex("ba78"), None);
    }
}
