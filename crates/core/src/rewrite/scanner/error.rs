//! The errors of the scanner.

/// The reason why the scanner rejected a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonErrorKind {
    /// The body does not begin with `{`.
    NotAnObject,
    /// The byte violates the grammar of RFC 8259.
    Syntax,
    /// More than [`super::MAX_DEPTH`] open containers.
    TooDeep,
    /// Invalid UTF-8.
    Utf8,
    /// The body ends inside the object.
    Incomplete,
}
