//! The public keys (or the shared secret) of one issuer, ready to verify with.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

use crate::secret::Secret;

/// More keys than any issuer has; a longer set is cut there, so that a lookup stays short.
const MOST_KEYS: usize = 64;

/// An issuer's keys.
#[derive(Clone, Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

/// The shape of RFC 7517, section 5.
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

/// What a key can be used for. A key never verifies an algorithm of another family, whatever a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fits {
    Secret,
    Rsa,
    P256,
    P384,
    Ed25519,
    Only(Algorithm),
}

/// The bytes are no key set.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeySetError {
    /// Not JSON, or not of the shape of RFC 7517.
    #[error("is no JSON Web Key Set (RFC 7517)")]
    NotAKeySet,
    /// Nothing in it could verify a signature.
    #[error("holds no key that could verify a signature")]
    NoUsableKey,
    /// Not the PEM form of an EC public key.
    #[error("is no EC public key in PEM")]
    NotPem,
}

impl KeySet {
    /// Reads a JWK set. Keys of unknown kinds, and those for encryption, are left out; so are shared secrets, which no
    /// public set may hold.
    ///
    /// # Errors
    /// [`KeySetError`].
    pub fn from_jwks(json: &[u8]) -> Result<Self, KeySetError> {
        // One by one, so that a key of a kind that is not known yet does not spoil the others.
        let set: Published = serde_json::from_slice(json).map_err(|_| KeySetError::NotAKeySet)?;
        let keys: Vec<Key> =
            set.keys.into_iter().take(MOST_KEYS).filter_map(|key| usable(&serde_json::from_value(key).ok()?)).collect();
        if keys.is_empty() { Err(KeySetError::NoUsableKey) } else { Ok(Self { keys }) }
    }

    /// The set of one shared secret (HS256 and its kin), taken as raw UTF-8 bytes.
    pub fn from_secret(secret: &Secret) -> Self {
        let key = DecodingKey::from_secret(secret.expose().as_bytes());
        Self { keys: vec![Key { id: None, fits: Fits::Secret, verifies: key }] }
    }

    /// Adds the ES256 key of this id, as AWS's load balancers publish them one by one.
    ///
    /// # Errors
    /// [`KeySetError::NotPem`].
    pub fn with_pem(&self, id: &str, pem: &[u8]) -> Result<Self, KeySetError> {
        let key = DecodingKey::from_ec_pem(pem).map_err(|_| KeySetError::NotPem)?;
        let mut keys = self.keys.clone();
        keys.retain(|key| key.id.as_deref() != Some(id));
        // The oldest go first.
        let surplus = (keys.len() + 1).saturating_sub(MOST_KEYS);
        keys.drain(..surplus);
        keys.push(Key { id: Some(id.to_owned()), fits: Fits::P256, verifies: key });
        Ok(Self { keys })
    }

    /// Whether nothing could be verified with it.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The ids of the keys that have one.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().filter_map(|key| key.id.as_deref())
    }

    /// Whether a key of this id is among them.
    pub fn holds(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id.as_deref() == Some(id))
    }

    /// The key for a token with this `kid` and algorithm. A secret has no id, and a token without one is verified only
    /// where there is no choice.
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
