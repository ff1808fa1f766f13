//! The operator's identifier secret (`CALLSIGN_ID_SECRET`) and what is computed with it: HMAC, seal, bindings.
//!
//! Nothing here chooses what is hashed; formats do, and [`Binder`] for the values that clients bring.

use aes_siv::siv::Aes256Siv;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::sources::Sources;
use crate::secret::Secret;

type HmacSha256 = Hmac<Sha256>;

/// AES-SIV takes a list of associated data; ours is empty.
const NO_HEADERS: [&[u8]; 0] = [];

/// A secret shorter than this can be searched through.
pub const MIN_SECRET_BYTES: usize = 16;

/// Secrets from examples, which everybody knows. Kept in `docs/configuration.md` too.
pub const PLACEHOLDERS: &[&str] = &[
    "changeme-changeme",
    "change-me-change-me",
    "changemechangeme",
    "replace-with-a-long-random-secret",
    "your-secret-here",
    "your-very-long-secret",
    "0123456789abcdef",
    "0123456789abcdef0123456789abcdef",
    "secretsecretsecret",
    "supersecretsupersecret",
    "passwordpassword",
];

/// Why a secret is refused at start. Says nothing of the secret itself.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WeakSecret {
    /// Under [`MIN_SECRET_BYTES`].
    #[error("has {0} bytes; at least {MIN_SECRET_BYTES} are needed (try: openssl rand -hex 32)")]
    Short(usize),
    /// One of [`PLACEHOLDERS`], or one byte repeated.
    #[error("is a well-known placeholder; make one of your own (try: openssl rand -hex 32)")]
    Placeholder,
}

impl WeakSecret {
    /// Refuses a secret that could be guessed.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn refuse(secret: &Secret) -> Result<(), Self> {
        let text = secret.expose();
        if text.len() < MIN_SECRET_BYTES {
            return Err(Self::Short(text.len()));
        }
        let lower = text.to_ascii_lowercase();
        let repeated = text.bytes().all(|byte| Some(byte) == text.bytes().next());
        if repeated || PLACEHOLDERS.contains(&lower.as_str()) { Err(Self::Placeholder) } else { Ok(()) }
    }
}

/// The secret, ready for use: keyed states are computed once and cloned per request.
#[derive(Clone)]
pub struct IdSecret {
    mac: HmacSha256,
    seal_key: Zeroizing<[u8; 64]>,
}

impl IdSecret {
    /// Checks the secret's strength and derives the keys.
    pub fn new(secret: &Secret) -> Result<Self, WeakSecret> {
        WeakSecret::refuse(secret)?;
        Ok(Self::derive(secret.expose().as_bytes()))
    }

    /// The secret of a tenant that has none of its own: HMAC(secret, "tenant" 0x1F name), as hexadecimal text would be
    /// guessable only by who holds the operator's.
    #[must_use]
    pub fn for_tenant(&self, name: &str) -> Self {
        let mut mac = self.mac.clone();
        mac.update(b"tenant\x1f");
        mac.update(name.as_bytes());
        Self::derive(&mac.finalize().into_bytes())
    }

    fn derive(key: &[u8]) -> Self {
        let mac = keyed(key);
        let half = |label: &[u8]| {
            let mut half = mac.clone();
            half.update(label);
            half.finalize().into_bytes()
        };
        let mut seal_key = Zeroizing::new([0; 64]);
        let (first, second) = seal_key.split_at_mut(32);
        first.copy_from_slice(&half(b"callsign seal\x1f1"));
        second.copy_from_slice(&half(b"callsign seal\x1f2"));
        Self { mac, seal_key }
    }

    /// HMAC-SHA256 of `value`, as `openssl dgst -sha256 -hmac "$secret"` computes it.
    pub fn hmac(&self, value: &[u8]) -> [u8; 32] {
        let mut mac = self.mac.clone();
        mac.update(value);
        mac.finalize().into_bytes().into()
    }

    /// AES-SIV (RFC 5297) without nonce or associated data, base64url: the same value always gives the same text, and
    /// only [`IdSecret::open`] with this secret turns it back. `None` cannot happen for values of sane length.
    pub fn seal(&self, value: &str) -> Option<String> {
        let sealed = self.siv().encrypt(NO_HEADERS, value.as_bytes()).ok()?;
        Some(data_encoding::BASE64URL_NOPAD.encode(&sealed))
    }

    /// What was sealed; `None` for anything that this secret did not seal.
    pub fn open(&self, sealed: &str) -> Option<String> {
        let bytes = data_encoding::BASE64URL_NOPAD.decode(sealed.as_bytes()).ok()?;
        let value = self.siv().decrypt(NO_HEADERS, &bytes).ok()?;
        String::from_utf8(value).ok()
    }

    fn siv(&self) -> Aes256Siv {
        Aes256Siv::new(&(*self.seal_key).into())
    }
}

impl std::fmt::Debug for IdSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// SHA-256 of `value`, as `sha256sum` computes it.
pub(super) fn sha256(value: &[u8]) -> [u8; 32] {
    Sha256::digest(value).into()
}

fn keyed(key: &[u8]) -> HmacSha256 {
    // HMAC takes a key of any length (RFC 2104, section 2), so the error arm cannot be reached; a zero key would still
    // be a valid state rather than a crash.
    HmacSha256::new_from_slice(key).unwrap_or_else(|_| HmacSha256::new(&hmac::digest::Key::<HmacSha256>::default()))
}

/// What a client-brought value is used for, so that one value never serves two purposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `prompt_cache_key`.
    Cache,
    /// A client's session header.
    Session,
}

/// Ties a value that the client chose to the caller, so that it cannot name anybody else's (contract, section 3,
/// "Binding"): HMAC-SHA256(secret, tenant ␟ subject ␟ purpose ␟ value), SHA-256 without a secret.
///
/// The value may come in pieces, so that a body is never held for it.
#[derive(Clone)]
pub struct Binder {
    state: BinderState,
}

#[derive(Clone)]
enum BinderState {
    Keyed(HmacSha256),
    Plain(Sha256),
}

impl Binder {
    /// A binder for the caller of `sources`: its user, else its key.
    pub fn new(sources: &Sources<'_>, secret: Option<&IdSecret>, purpose: Purpose) -> Self {
        let state = match secret {
            Some(secret) => BinderState::Keyed(secret.mac.clone()),
            None => BinderState::Plain(Sha256::new()),
        };
        let mut binder = Self { state };
        binder.update(sources.tenant.unwrap_or_default().as_bytes());
        binder.update(b"\x1f");
        if let Some(user) = sources.user {
            binder.update(user.as_bytes());
        } else {
            binder.update(b"key:");
            binder.update(sources.key.as_bytes());
        }
        binder.update(match purpose {
            Purpose::Cache => b"\x1fcache\x1f".as_slice(),
            Purpose::Session => b"\x1fsession\x1f".as_slice(),
        });
        binder
    }

    /// Takes in the next piece of the value.
    pub fn update(&mut self, piece: &[u8]) {
        match &mut self.state {
            BinderState::Keyed(mac) => mac.update(piece),
            BinderState::Plain(sha) => Digest::update(sha, piece),
        }
    }

    /// The bound value: 64 lower-case hexadecimal digits.
    pub fn finish(self) -> String {
        let digest: [u8; 32] = match self.state {
            BinderState::Keyed(mac) => mac.finalize().into_bytes().into(),
            BinderState::Plain(sha) => sha.finalize().into(),
        };
        data_encoding::HEXLOWER.encode(&digest)
    }
}

impl std::fmt::Debug for Binder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Binder")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_could_be_guessed_is_refused() {
        let refuse = |text: &str| WeakSecret::refuse(&Secret::new(text));
        assert_eq!(refuse(&"ab".repeat(8)), Ok(()), "sixteen bytes are enough");
        assert_eq!(refuse("abcdefghijklmno"), Err(WeakSecret::Short(15)));
        assert_eq!(refuse(""), Err(WeakSecret::Short(0)));
        for placeholder in ["ChangeMeChangeMe", "0123456789abcdef", &"x".repeat(32)] {
            assert_eq!(refuse(placeholder), Err(WeakSecret::Placeholder), "{placeholder}");
        }
    }

    #[test]
    fn what_is_keyed_prints_nothing_of_its_key() {
        let secret = IdSecret::new(&Secret::new("a secret of some length")).unwrap();
        let binder = Binder::new(&Sources::default(), Some(&secret), Purpose::Cache);
        assert_eq!((format!("{binder:?}").as_str(), format!("{secret:?}").contains("secret of")), ("Binder", false));
        assert!(!format!("{secret:?}").is_empty());
    }
}
