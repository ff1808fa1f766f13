//! The reasons why a part head is refused.

/// A part head that two readers could read differently, or whose meaning would be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// A folded line, a lone CR or LF, a header name that is no token, or no colon.
    #[error("each header must be `Name: value` on one line that ends in CRLF")]
    Line,
    /// A header that counts occurs twice.
    #[error("`{0}` must occur once")]
    Repeated(&'static str),
    /// There is no `Content-Disposition`, or it is not `form-data` with well-formed parameters.
    #[error("expected `Content-Disposition: form-data; name=\"…\"`, with parameters that are tokens or quoted strings")]
    Disposition,
    /// A parameter of `Content-Disposition` that counts occurs twice.
    #[error("the parameter `{0}` of `Content-Disposition` must occur once")]
    RepeatedParameter(&'static str),
    /// There is a `name*`, which some readers prefer to `name` and others ignore.
    #[error("the parameter `name*` is read in different ways; send `name=\"…\"` in UTF-8 instead")]
    ExtendedName,
    /// The name contains characters that readers decode in different ways.
    #[error("`name` must be UTF-8 without backslashes, control characters and encoded words (`=?…?=`)")]
    Name,
    /// The part's name is `_charset_`, with which some readers decode the other parts.
    #[error("a part named `_charset_` is not accepted; send the form in UTF-8 without it")]
    Charset,
    /// A `filename*` without `filename` cannot be decoded.
    #[error("`filename*` must be `UTF-8''` or `ISO-8859-1''` and percent-encoded text; or send `filename=\"…\"`")]
    ExtendedFilename,
    /// A content coding of one part.
    #[error("`Content-Encoding` of a part is not accepted; compress the whole request instead")]
    ContentEncoding,
    /// A transfer encoding that changes the content.
    #[error("`Content-Transfer-Encoding` must be `binary`, `8bit` or `7bit`; send the content as it is")]
    TransferEncoding,
    /// A content type with a backslash or with other than visible ASCII characters.
    #[error("`Content-Type` must be visible ASCII without backslashes")]
    ContentType,
    /// A content type whose content has parts with more names.
    #[error("`Content-Type` must not be `multipart/…` or `message/…`; send each file as a part of the form")]
    Nested,
}
