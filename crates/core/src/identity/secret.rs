//! The operator's identifier secret (`CALLSIGN_ID_SECRET`) and its uses: HMAC, seal and bindings.
//!
//! Formats choose the values to hash or seal. [`Binder`] handles the values that clients choose.

use aes_siv::siv::Aes256Siv;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::identity::caller_identity::CallerIdentity;
use crate::secret::Secret;

pub(super) type HmacSha256 = Hmac<Sha256>;

/// The associated data for AES-SIV: none.
const NO_HEADERS: [&[u8]; 0] = [];

/// Minimum length of a secret in bytes. Shorter ones can be found by brute force.
pub const MIN_SECRET_BYTES: usize = 16;

/// Well-known secrets from examples, in lower case. `docs/configuration.md` lists them.
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

/// The reason why a secret is refused at startup. The message does not contain the secret.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WeakSecretError {
    /// Shorter than [`MIN_SECRET_BYTES`].
    #[error("has {0} bytes; at least {MIN_SECRET_BYTES} are required (try: openssl rand -hex 32)")]
    Short(usize),
    /// One of [`PLACEHOLDERS`], or one byte repeated.
    #[error("is a well-known placeholder; use a random secret (try: openssl rand -hex 32)")]
    Placeholder,
}

impl WeakSecretError {
    /// Refuses a secret that could be guessed.
    ///
    /// # Errors
    /// [`WeakSecretError`] if the secret is too short or a placeholder.
    pub fn check(secret: &Secret) -> Result<(), Self> {
        let text = secret.expose();
        if text.len() < MIN_SECRET_BYTES {
            return Err(Self::Short(text.len()));
        }
        let lower = text.to_ascii_lowercase();
        let repeated = text.bytes().all(|byte| Some(byte) == text.bytes().next());
        if repeated || PLACEHOLDERS.contains(&lower.as_str()) { Err(Self::Placeholder) } else { Ok(()) }
    }
}

/// The secret with precomputed keyed states, which are cloned per request.
#[derive(Clone)]
pub struct IdSecret {
    mac: HmacSha256,
    seal_key: Zeroizing<[u8; 64]>,
}

impl IdSecret {
    /// Checks the strength of `secret` and derives the keys.
    pub fn new(secret: &Secret) -> Result<Self, WeakSecretError> {
        WeakSecretError::check(secret)?;
        Ok(Self::from_key(secret.expose().as_bytes()))
    }

    /// Derives the secret of a tenant without a configured one. Computing it requires the operator's secret.
    #[must_use]
    pub fn for_tenant(&self, name: &str) -> Self {
        Self::from_key(&*derived_key(&self.mac, "tenant", name))
    }

    fn from_key(key: &[u8]) -> Self {
        let mac = keyed(key);
        let mut seal_key = Zeroizing::new([0; 64]);
        let (first, second) = seal_key.split_at_mut(32);
        first.copy_from_slice(&*derived_key(&mac, "seal", "1"));
        second.copy_from_slice(&*derived_key(&mac, "seal", "2"));
        Self { mac, seal_key }
    }

    /// Computes HMAC-SHA256 of the joined `pieces`, equal to `openssl dgst -sha256 -hmac "$secret"`.
    pub fn hmac<'p>(&self, pieces: impl IntoIterator<Item = &'p str>) -> [u8; 32] {
        let mut mac = self.mac.clone();
        pieces.into_iter().for_each(|piece| mac.update(piece.as_bytes()));
        mac.finalize().into_bytes().into()
    }

    /// Encrypts `value` with AES-SIV (RFC 5297) without nonce or associated data, as base64url. Equal values give equal
    /// texts. Only [`IdSecret::open`] with the same secret decrypts them. Returns `None` only if encryption fails,
    /// which values of request-header length do not cause.
    pub fn seal(&self, value: &str) -> Option<String> {
        let sealed = self.siv().encrypt(NO_HEADERS, value.as_bytes()).ok()?;
        Some(data_encoding::BASE64URL_NOPAD.encode(&sealed))
    }

    /// Decrypts a sealed value. Returns `None` for anything that was not sealed with this secret.
    pub fn open(&self, sealed: &str) -> Option<String> {
        let bytes = data_encoding::BASE64URL_NOPAD.decode(sealed.as_bytes()).ok()?;
        let value = self.siv().decrypt(NO_HEADERS, &bytes).ok()?;
        String::from_utf8(value).ok()
    }

    /// Derives a key for another use (`docs/SPEC.md#identifier-secret`).
    pub(super) fn derived(&self, use_name: &str, name: &str) -> Zeroizing<[u8; 32]> {
        derived_key(&self.mac, use_name, name)
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

/// Computes SHA-256 of the joined `pieces`, equal to `sha256sum`.
pub(super) fn sha256<'p>(pieces: impl IntoIterator<Item = &'p str>) -> [u8; 32] {
    let mut sha = Sha256::new();
    pieces.into_iter().for_each(|piece| Digest::update(&mut sha, piece));
    sha.finalize().into()
}

/// Derives a key: HMAC-SHA256 of NUL, `use_name`, U+001F and `name` (`docs/SPEC.md#identifier-secret`). No id contains
/// NUL, so no identifier that callsign sends or shows is such a key.
fn derived_key(mac: &HmacSha256, use_name: &str, name: &str) -> Zeroizing<[u8; 32]> {
    let mut mac = mac.clone();
    for part in ["\0", use_name, "\x1f", name] {
        mac.update(part.as_bytes());
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

pub(super) fn keyed(key: &[u8]) -> HmacSha256 {
    // HMAC accepts keys of any length (RFC 2104, section 2), so the fallback is unreachable. It avoids a panic.
    HmacSha256::new_from_slice(key).unwrap_or_else(|_| HmacSha256::new(&hmac::digest::Key::<HmacSha256>::default()))
}

/// The use of a bound value. It is hashed too, so that the same value gives different results for different uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `prompt_cache_key`.
    Cache,
    /// A client's session header.
    Session,
    /// The session key that keeps the containers of callers apart (docs/SPEC.md#container-keys).
    Container,
}

/// Binds a value that the client chose to its caller, so that two callers who send the same value get different
/// results.
///
/// The result is HMAC-SHA256(secret, tenant ␟ subject ␟ purpose ␟ value), or SHA-256 without a secret. The subject is
/// the user, else U+001F and the key's name (`docs/SPEC.md#binding`). No id contains U+001F, so the subject of a key is
/// never that of a user. The value may arrive in pieces, so that the body need not be buffered.
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
    /// Creates a binder for the caller of `sources`.
    pub fn new(sources: &CallerIdentity<'_>, secret: Option<&IdSecret>, purpose: Purpose) -> Self {
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
            binder.update(b"\x1f");
            binder.update(sources.key.as_bytes());
        }
        binder.update(match purpose {
            Purpose::Cache => b"\x1fcache\x1f".as_slice(),
            Purpose::Session => b"\x1fsession\x1f".as_slice(),
            Purpose::Container => b"\x1fcontainer\x1f".as_slice(),
        });
        binder
    }

    /// Adds the next piece of the value.
    pub fn update(&mut self, piece: &[u8]) {
        match &mut self.state {
            BinderState::Keyed(mac) => mac.update(piece),
            BinderState::Plain(sha) => Digest::update(sha, piece),
        }
    }

    /// Returns the bound value: 64 lower-case hexadecimal digits.
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
    fn weak_secrets_are_refused() {
        let refuse = |text: &str| WeakSecretError::check(&Secret::new(text));
        assert_eq!(refuse(&"ab".repeat(8)), Ok(()), "sixteen bytes are enough");
        assert_eq!(refuse("abcdefghijklmno"), Err(WeakSecretError::Short(15)));
        assert_eq!(refuse(""), Err(WeakSecretError::Short(0)));
        for placeholder in ["ChangeMeChangeMe", "0123456789abcdef", &"x".repeat(32)] {
            assert_eq!(refuse(placeholder), Err(WeakSecretError::Placeholder), "{placeholder}");
        }
    }

    /// The vectors were computed with `printf 'TENANT\x1fSUBJECT\x1fcache\x1fvalue' | openssl dgst -sha256 -hmac SECRET`.
    #[test]
    fn the_binding_of_a_user_is_fixed_and_differs_from_that_of_every_key() {
        let secret = IdSecret::new(&Secret::new("a secret of some length")).unwrap();
        let bound = |tenant, user, key| {
            let sources = CallerIdentity { tenant, key, user, ..CallerIdentity::default() };
            let mut binder = Binder::new(&sources, Some(&secret), Purpose::Cache);
            binder.update(b"val");
            binder.update(b"ue");
            binder.finish()
        };
        assert_eq!(
            bound(None, Some("alice"), "app"),
            "e1206486f241caca0550ad247e9a3ea8335a036f6854bdf2a02997af4ad0ec21"
        );
        assert_eq!(
            bound(Some("acme"), Some("alice"), "app"),
            "de960ec866a95051493006c05ae26a0940d85c39f55931e2dd0a3c6523db2007"
        );
        assert_eq!(bound(None, None, "app"), "8339e312ef70dad2f0ef89b5fe267e3cdf59d73590fb7790db558b33f0db98ef");
        assert_ne!(bound(None, None, "app"), bound(None, Some("key:app"), "app"));
        assert_ne!(bound(None, None, "app"), bound(None, Some("app"), "app"));
    }

    /// Expected keys: `printf '\0tenant\037acme' | openssl dgst -sha256 -hmac SECRET`, and `seal\0371`, `seal\0372`.
    #[test]
    fn derived_keys_are_fixed_and_no_hash_of_ids_equals_one() {
        let secret = IdSecret::new(&Secret::new("a secret of some length")).unwrap();
        let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
        assert_eq!(
            hex(&*derived_key(&secret.mac, "tenant", "acme")),
            "c4d553599df1387954d390cec92e1b89cdf59133e124d14d04474a1c77edd47b"
        );
        assert_eq!(
            hex(&*secret.seal_key),
            concat!(
                "a9b34547d83620a1bb926f09012d83e50bc8326ca4bc67847c2e5897c7326594",
                "bc68f8da6ceb0119c5a87a05ddb3fdda504e4daabcbd277d81c9a426612db6d7"
            )
        );
        for (ids, key) in [
            ("seal\x1f1", &secret.seal_key[..32]),
            ("callsign seal\x1f1", &secret.seal_key[..32]),
            ("tenant\x1facme", &*derived_key(&secret.mac, "tenant", "acme")),
        ] {
            assert_ne!(secret.hmac([ids])[..], *key, "{ids:?}");
        }
    }

    #[test]
    fn debug_output_does_not_contain_the_secret() {
        let secret = IdSecret::new(&Secret::new("a secret of some length")).unwrap();
        let binder = Binder::new(&CallerIdentity::default(), Some(&secret), Purpose::Cache);
        assert_eq!((format!("{binder:?}").as_str(), format!("{secret:?}").contains("secret of")), ("Binder", false));
        assert!(!format!("{secret:?}").is_empty());
    }
}
