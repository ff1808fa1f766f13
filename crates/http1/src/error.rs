//! The errors of a connection.

use std::error::Error as StdError;
use std::io;

/// A failed exchange. The connection is of no further use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading or writing failed.
    #[error("the connection failed")]
    Io(#[source] io::Error),
    /// The connection ended before the answer did.
    #[error("the connection ended before the answer was complete")]
    Incomplete,
    /// Bytes arrived that belong to no answer.
    #[error("bytes arrived before the request was sent")]
    Unexpected,
    /// The head of the answer is no HTTP/1 head.
    #[error("the head of the answer is invalid")]
    Head(#[source] httparse::Error),
    /// The head of the answer contradicts itself about its body.
    #[error("the framing of the answer is invalid: {0}")]
    Framing(&'static str),
    /// The head of the answer is too long.
    #[error("the head of the answer is too long")]
    TooLong,
    /// The chunked coding of the answer is invalid.
    #[error("the chunked coding of the answer is invalid: {0}")]
    Chunk(&'static str),
    /// The body of the request failed.
    #[error("the body of the request failed")]
    Upload(#[source] Box<dyn StdError + Send + Sync>),
    /// The body of the request does not have its announced length.
    #[error("the body of the request does not have the announced length")]
    UploadLength,
}
