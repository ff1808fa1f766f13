//! The redacting type for keys, tokens and passwords.
//!
//! A [`Secret`] has no `Display`, prints `***` under `Debug`, and is wiped on drop. Its bytes are readable only through
//! [`Secret::expose`], so that a reviewer can find every place that reads them.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// A string that must not appear in a log, an error, a metric or a response.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Wraps `value`.
    pub fn new(value: impl Into<String>) -> Self {
        Self(SecretString::from(value.into()))
    }

    /// Returns the plain text. Keep the borrow short and do not format it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Returns the length in bytes, which is not secret.
    pub fn len(&self) -> usize {
        self.expose().len()
    }

    /// Returns true for the empty string.
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }

    /// Returns the SHA-256 digest, by which keys are compared.
    pub fn digest(&self) -> KeyDigest {
        KeyDigest::of(self.expose().as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The SHA-256 digest of a key. It may be stored, compared and printed: it does not grant access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// Computes the digest of a key's bytes as received.
    pub fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// Parses 64 hexadecimal digits in any case. Returns `None` for anything else.
    pub fn from_hex(hex: &str) -> Option<Self> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// Returns the first byte, which is evenly distributed.
    pub fn first_byte(self) -> u8 {
        let [first, ..] = self.0;
        first
    }

    /// Returns 64 lower-case hexadecimal digits, the form of `sha256` in `[[keys]]`.
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
