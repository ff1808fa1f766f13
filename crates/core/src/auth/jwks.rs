//! The public keys, or the shared secret, with which an issuer's tokens are verified.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

use crate::secret::Secret;

/// Maximum number of keys in a set, more than real issuers have. It bounds the lookup; further keys are ignored.
const MOST_KEYS: usize = 64;

/// An issuer's keys.
#[derive(Clone, Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

/// A JWK set (RFC 7517, section 5).
#[derive(Deserialize)]
struct Published {
    keys: Vec<serde_json::Value>,
}

#[derive(Clone)]
struct Key {
    id: Option<String>,
    fits: Fits,
    verifies: DecodingKey,
}

/// The algorithms that a key may verify. A token cannot select an algorithm of another family
/// (`a_key_is_for_its_own_family_only`).
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fits {
    Secret,
    Rsa,
    P256,
    P384,
    Ed25519,
    Only(Algorithm),
}

/// The reason why bytes are not a key set. The message follows a noun such as "the file".
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeySetError {
    /// Not JSON, or not a JWK set.
    #[error("is not a JSON Web Key Set (RFC 7517)")]
    NotAKeySet,
    /// A JWK set without a usable key.
    #[error("contains no key that can verify a signature")]
    NoUsableKey,
    /// Not an EC public key in PEM form.
    #[error("is not an EC public key in PEM form")]
    NotPem,
}

impl KeySet {
    /// Parses a JWK set. Keys of unknown types, encryption keys and shared secrets (which must not be public) are
    /// ignored.
    ///
    /// # Errors
    /// [`KeySetError`].
    pub fn from_jwks(json: &[u8]) -> Result<Self, KeySetError> {
        // Parsed one by one, so that a key of an unknown type does not invalidate the others.
        let set: Published = serde_json::from_slice(json).map_err(|_| KeySetError::NotAKeySet)?;
        let keys: Vec<Key> =
            set.keys.into_iter().take(MOST_KEYS).filter_map(|key| usable(&serde_json::from_value(key).ok()?)).collect();
        if keys.is_empty() { Err(KeySetError::NoUsableKey) } else { Ok(Self { keys }) }
    }

    /// Creates the set of a shared secret for HS256, HS384 and HS512, used as raw UTF-8 bytes.
    pub fn from_secret(secret: &Secret) -> Self {
        let key = DecodingKey::from_secret(secret.expose().as_bytes());
        Self { keys: vec![Key { id: None, fits: Fits::Secret, verifies: key }] }
    }

    /// Returns the set with an ES256 key added or replaced. AWS load balancers publish keys one by one.
    ///
    /// # Errors
    /// [`KeySetError::NotPem`].
    pub fn with_pem(&self, id: &str, pem: &[u8]) -> Result<Self, KeySetError> {
        let key = DecodingKey::from_ec_pem(pem).map_err(|_| KeySetError::NotPem)?;
        let mut keys = self.keys.clone();
        keys.retain(|key| key.id.as_deref() != Some(id));
        // Drop the oldest keys beyond the maximum.
        let surplus = (keys.len() + 1).saturating_sub(MOST_KEYS);
        keys.drain(..surplus);
        keys.push(Key { id: Some(id.to_owned()), fits: Fits::P256, verifies: key });
        Ok(Self { keys })
    }

    /// Returns true if the set has no keys.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Returns the ids of the keys that have one.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().filter_map(|key| key.id.as_deref())
    }

    /// Returns true if the set has a key with this id.
    pub fn contains(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id.as_deref() == Some(id))
    }

    /// Finds the key for a token with this `kid` and algorithm. A shared secret matches any `kid`. Without a `kid`
    /// there must be exactly one key for the algorithm.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&DecodingKey> {
        let mut fitting = self.keys.iter().filter(|key| key.fits.allows(algorithm));
        let found = match kid {
            Some(kid) => fitting.find(|key| key.fits == Fits::Secret || key.id.as_deref() == Some(kid)),
            None => fitting.next().filter(|_| fitting.next().is_none()),
        };
        found.map(|key| &key.verifies)
    }
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeySet({} keys)", self.keys.len())
    }
}

impl Fits {
    fn allows(&self, algorithm: Algorithm) -> bool {
        use Algorithm::{ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512};
        match self {
            Self::Secret => matches!(algorithm, HS256 | HS384 | HS512),
            Self::Rsa => matches!(algorithm, RS256 | RS384 | RS512 | PS256 | PS384 | PS512),
            Self::P256 => algorithm == ES256,
            Self::P384 => algorithm == ES384,
            Self::Ed25519 => algorithm == EdDSA,
            Self::Only(own) => algorithm == *own,
        }
    }
}

fn usable(jwk: &Jwk) -> Option<Key> {
    if matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption)) {
        return None;
    }
    let fits = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Fits::Rsa,
        AlgorithmParameters::EllipticCurve(parameters) => match parameters.curve {
            EllipticCurve::P256 => Fits::P256,
            EllipticCurve::P384 => Fits::P384,
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(parameters) if parameters.curve == EllipticCurve::Ed25519 => Fits::Ed25519,
        _ => return None,
    };
    let fits = match jwk.common.key_algorithm {
        None => fits,
        Some(named) => Fits::Only(Algorithm::try_from(named).ok().filter(|named| fits.allows(*named))?),
    };
    Some(Key { id: jwk.common.key_id.clone(), fits, verifies: DecodingKey::from_jwk(jwk).ok()? })
}

#[cfg(test)]
mod tests;
