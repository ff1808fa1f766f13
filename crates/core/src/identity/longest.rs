//! The longest accepted values from outside, in bytes (docs/SPEC.md#source-values). A longer header or body value counts
//! as absent, a longer signed claim is refused, and a longer name in the configuration is an error. Nothing is cut: a cut
//! id could be another user's.

/// A user, session, chat or message id.
pub const ID: usize = 512;
/// The name of a key, a tenant or an issuer.
pub const NAME: usize = 256;
/// A generation id, job id or model name that a client or OpenRouter sends.
pub const EXTERNAL_NAME: usize = 256;
