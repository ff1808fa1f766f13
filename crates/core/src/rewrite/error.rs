//! The reasons why a body must not be sent upstream.

use super::multipart::FormError;
use super::scanner::JsonErrorKind;
use super::shared_tools::SharedToolError;

/// The reason why a body must not be sent upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RewriteError {
    /// The body is not one strict JSON object.
    #[error(transparent)]
    Invalid(#[from] JsonError),
    /// The body asks for a tool that all callers of the account share.
    #[error(transparent)]
    SharedTool(#[from] SharedToolError),
    /// The body is not a form of the accepted grammar.
    #[error(transparent)]
    Form(#[from] FormError),
}

/// The body is not one strict JSON object (docs/SPEC.md#body-syntax).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body must be one JSON object (RFC 8259): byte {offset}: {}", describe(*.fault))]
pub struct JsonError {
    /// Offset of the offending byte.
    pub offset: u64,
    /// The error at that byte.
    pub fault: JsonErrorKind,
}

fn describe(fault: JsonErrorKind) -> &'static str {
    match fault {
        JsonErrorKind::NotAnObject => "expected `{`; send an object in UTF-8, without a byte order mark",
        JsonErrorKind::Syntax => "unexpected byte; let a JSON library write the body",
        JsonErrorKind::TooDeep => "nested deeper than 1024 levels; send a flatter object",
        JsonErrorKind::Utf8 => "not UTF-8; encode the body in it",
        JsonErrorKind::Incomplete => "the body ends before the object is complete; send all of it",
    }
}
