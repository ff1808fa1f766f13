//! The HMAC of rows in a database that others may be able to write to (`docs/SPEC.md#key-integrity`).

use hmac::Mac;
use zeroize::Zeroizing;

use super::secret::{HmacSha256, IdSecret, keyed};

/// Length of the HMAC as text.
const TEXT_LENGTH: usize = 43;

/// Computes and checks the HMAC of rows. The key is derived from the operator's secret, which no database has.
#[derive(Clone)]
pub struct RowSeal(HmacSha256);

impl RowSeal {
    /// Creates the seal for the rows of keys.
    pub fn of_keys(secret: &IdSecret) -> Self {
        let key: Zeroizing<[u8; 32]> = secret.derived("keys", "");
        Self(keyed(&*key))
    }

    fn mac(&self, kind: &str, row: u128, content: &str) -> HmacSha256 {
        let mut mac = self.0.clone();
        // The kind has no NUL, and the row's id has a fixed length.
        mac.update(kind.as_bytes());
        mac.update(b"\0");
        mac.update(&row.to_be_bytes());
        mac.update(content.as_bytes());
        mac
    }

    /// Returns the text of a row: the HMAC over its kind, its id and its content, a space, and the content.
    pub fn seal(&self, kind: &str, row: u128, content: &str) -> String {
        let mac = self.mac(kind, row, content).finalize().into_bytes();
        format!("{} {content}", data_encoding::BASE64URL_NOPAD.encode(&mac))
    }

    /// Returns true if the text of a row was made by [`RowSeal::seal`] with the same secret, kind and id.
    pub fn is_genuine(&self, kind: &str, row: u128, text: &str) -> bool {
        let Some((mac, content)) = split(text) else { return false };
        let mac = data_encoding::BASE64URL_NOPAD.decode(mac.as_bytes());
        mac.is_ok_and(|mac| self.mac(kind, row, content).verify_slice(&mac).is_ok())
    }
}

/// Splits the text of a row into HMAC and content, without checking the HMAC.
pub fn split(text: &str) -> Option<(&str, &str)> {
    let (mac, rest) = text.split_at_checked(TEXT_LENGTH)?;
    Some((mac, rest.strip_prefix(' ')?))
}

impl std::fmt::Debug for RowSeal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn seal(secret: &str) -> RowSeal {
        RowSeal::of_keys(&IdSecret::new(&Secret::new(secret)).unwrap())
    }

    #[test]
    fn only_the_same_text_of_the_same_row_is_genuine() {
        let (ours, other) = (seal("a secret of some length"), seal("another secret of some length"));
        let text = ours.seal("key", 7, "content");
        assert_eq!(split(&text).unwrap().1, "content");
        assert!(ours.is_genuine("key", 7, &text));
        assert!(!other.is_genuine("key", 7, &text) && !ours.is_genuine("key", 8, &text));
        assert!(!ours.is_genuine("kez", 7, &text));
        for forged in ["", "content", &format!("{text}x"), &text[1..], &text.replacen(' ', "  ", 1)] {
            assert!(!ours.is_genuine("key", 7, forged), "{forged}");
        }
    }
}
