//! The reasons why a token is refused.

/// The reason why a token is refused, for the operator's debug log. Callers are told only that the token is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three base64url parts with JSON objects, or too long.
    #[error("the token is malformed")]
    Malformed,
    /// No known key has this id and suits the algorithm. The issuer may have rotated its keys.
    #[error("the token is signed with an unknown key; the issuer may have rotated its keys")]
    UnknownKey {
        /// The token's `kid`. The error message does not contain it.
        kid: Option<String>,
    },
    /// The algorithm is unknown or not one of the issuer's.
    #[error("the token's algorithm is not in the issuer's `algorithms`")]
    Algorithm,
    /// The signature does not verify.
    #[error("the token's signature is not valid")]
    Signature,
    /// A claim or header violates a rule.
    #[error("the token is refused: {0}")]
    Refused(&'static str),
}
