//! Makes keys: `sk-cs-`, 32 random characters, and a checksum, so that secret scanners can tell a real key from a
//! look-alike.

use std::io;

use callsign_core::stored_key::PREFIX;

/// Random bytes of a key; they become 32 characters of 5 bits.
const RANDOM_BYTES: usize = 20;
/// Characters of the random part.
const BODY_CHARS: usize = 32;
/// Characters of the checksum.
const CHECKSUM_CHARS: usize = 8;

/// Makes a new key from the system's random source.
///
/// # Errors
/// If the system has no random numbers.
pub fn generate() -> io::Result<String> {
    let body = random_text()?;
    let checksum = checksum(&body);
    Ok(format!("{PREFIX}{body}{checksum}"))
}

/// Makes 32 characters (a to z, 2 to 7) of 160 random bits.
///
/// # Errors
/// If the system has no random numbers.
pub fn random_text() -> io::Result<String> {
    let mut random = [0; RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(data_encoding::BASE32_NOPAD.encode(&random).to_ascii_lowercase())
}

/// Returns true if `key` has the form and the checksum of callsign's keys.
#[cfg(test)]
pub fn is_well_formed(key: &str) -> bool {
    parts(key).is_some_and(|(body, sum)| sum == checksum(body))
}

/// Returns true if `key` has the form of callsign's keys and not their checksum: a character was changed.
pub fn has_wrong_checksum(key: &str) -> bool {
    parts(key).is_some_and(|(body, sum)| sum != checksum(body))
}

/// Returns the random part and the checksum of a key that has the form of callsign's keys.
fn parts(key: &str) -> Option<(&str, &str)> {
    let (body, sum) = key.strip_prefix(PREFIX)?.split_at_checked(BODY_CHARS)?;
    let is_body = body.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'));
    let is_sum = sum.len() == CHECKSUM_CHARS && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_body && is_sum).then_some((body, sum))
}

/// Returns the CRC-32 of the random part as eight hexadecimal digits.
fn checksum(body: &str) -> String {
    format!("{:08x}", crc32fast::hash(body.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_carry_their_checksum() {
        let (a, b) = (generate().unwrap(), generate().unwrap());
        assert_ne!(a, b);
        assert!(is_well_formed(&a) && is_well_formed(&b), "{a}");
        assert_eq!(a.len(), PREFIX.len() + 40);
        let flipped = a.replacen(&a[10..11], if &a[10..11] == "z" { "y" } else { "z" }, 1);
        assert!(!is_well_formed(&flipped));
        assert!(!is_well_formed("sk-cs-") && !is_well_formed("sk-or-v1-abc"));
    }
}
