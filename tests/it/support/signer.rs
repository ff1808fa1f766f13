//! An issuer's signing key, and tokens signed with it.
//!
//! Unit tests, integration tests and the benchmark share it. It builds tokens from raw text, so that tests can sign
//! tokens that libraries reject.

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData, RsaKeySize,
};
use serde_json::{Value, json};

/// A key pair or shared secret, with a `kid`.
#[derive(Clone)]
pub(crate) struct Signer {
    key: EncodingKey,
    algorithm: Algorithm,
    kid: String,
    jwk: Value,
    pem: String,
}

impl Signer {
    /// Generates a key pair for this algorithm.
    pub(crate) fn generate(algorithm: Algorithm, kid: &str) -> Self {
        use Algorithm::{ES256, ES384, EdDSA};
        let pair = match algorithm {
            ES256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
            ES384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
            EdDSA => KeyPair::generate_for(&PKCS_ED25519),
            _ => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
        };
        let pair = pair.unwrap();
        let (private, public) = (pair.serialize_pem(), pair.der_bytes());
        let key = match algorithm {
            ES256 | ES384 => EncodingKey::from_ec_pem(private.as_bytes()).unwrap(),
            EdDSA => EncodingKey::from_ed_der(pair.serialized_der()),
            _ => EncodingKey::from_rsa_pem(private.as_bytes()).unwrap(),
        };
        let point = |from, to| BASE64URL_NOPAD.encode(&public[from..to]);
        let mut jwk = match algorithm {
            ES256 => json!({"kty": "EC", "crv": "P-256", "x": point(1, 33), "y": point(33, 65)}),
            ES384 => json!({"kty": "EC", "crv": "P-384", "x": point(1, 49), "y": point(49, 97)}),
            EdDSA => json!({"kty": "OKP", "crv": "Ed25519", "x": point(0, 32)}),
            _ => serde_json::to_value(Jwk::from_encoding_key(&key, algorithm).unwrap().algorithm).unwrap(),
        };
        jwk["kid"] = kid.into();
        jwk["use"] = "sig".into();
        Self { key, algorithm, kid: kid.to_owned(), jwk, pem: pair.public_key_pem() }
    }

    /// Uses a shared secret with HS256.
    pub(crate) fn secret(secret: &[u8]) -> Self {
        Self {
            key: EncodingKey::from_secret(secret),
            algorithm: Algorithm::HS256,
            kid: String::new(),
            jwk: json!({"kty": "oct", "k": BASE64URL_NOPAD.encode(secret)}),
            pem: String::new(),
        }
    }

    /// Returns this key with another algorithm of its family.
    pub(crate) fn with(&self, algorithm: Algorithm) -> Self {
        Self { algorithm, ..self.clone() }
    }

    /// Returns the public key as a JWK, with `kid` and `use`, without `alg`.
    pub(crate) fn jwk(&self) -> Value {
        self.jwk.clone()
    }

    /// Returns the public key in PEM.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// Returns the header of an ordinary token.
    pub(crate) fn header(&self) -> Value {
        let name = format!("{:?}", self.algorithm);
        if self.kid.is_empty() {
            json!({"alg": name, "typ": "JWT"})
        } else {
            json!({"alg": name, "typ": "JWT", "kid": self.kid})
        }
    }

    /// Signs an ordinary token with these claims.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.sign(&self.header(), claims)
    }

    /// Signs a token with any header.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    /// Signs a token of two texts, which need not be JSON.
    pub(crate) fn sign_text(&self, header: &str, claims: &str) -> String {
        let encode = |part: &str| BASE64URL_NOPAD.encode(part.as_bytes());
        self.sign_encoded(&format!("{}.{}", encode(header), encode(claims)))
    }

    /// Signs two parts that the caller has encoded, correctly or not.
    pub(crate) fn sign_encoded(&self, message: &str) -> String {
        let signature = crypto::sign(message.as_bytes(), &self.key, self.algorithm).unwrap();
        format!("{message}.{signature}")
    }
}

/// Returns the JWK set of these keys.
pub(crate) fn jwks<'a>(keys: impl IntoIterator<Item = &'a Signer>) -> String {
    let keys: Vec<Value> = keys.into_iter().map(Signer::jwk).collect();
    json!({ "keys": keys }).to_string()
}
