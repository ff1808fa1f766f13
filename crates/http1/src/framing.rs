//! The end of an answer's body (RFC 9112, section 6.3), and the reader that finds it.

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};

use crate::Error;
use crate::chunked::{Chunked, Piece};

/// The largest length that can be told from the special values of other implementations.
const LONGEST: u64 = u64::MAX - 2;

/// Reads a body up to its end.
#[derive(Debug)]
pub(crate) enum Framing {
    /// So many bytes are left.
    Length(u64),
    Chunked(Chunked),
    /// The body ends with the connection. True once it has.
    Close(bool),
}

impl Framing {
    /// Returns the framing that the head of an answer to `method` declares.
    pub(crate) fn of(
        method: &Method,
        status: StatusCode,
        version: Version,
        headers: &HeaderMap,
    ) -> Result<Self, Error> {
        let bodyless = [StatusCode::SWITCHING_PROTOCOLS, StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED];
        if bodyless.contains(&status) || method == Method::HEAD {
            return Ok(Self::Length(0));
        }
        if let Some(last) = headers.get_all(TRANSFER_ENCODING).iter().next_back() {
            if version == Version::HTTP_10 {
                return Err(Error::Framing("transfer-encoding in HTTP/1.0"));
            }
            let is_chunked = tokens(last).is_some_and(|mut all| all.next_back() == Some("chunked".into()));
            return Ok(if is_chunked { Self::Chunked(Chunked::new()) } else { Self::Close(false) });
        }
        match length(headers)? {
            Some(length) if length > LONGEST => Err(Error::TooLong),
            Some(length) => Ok(Self::Length(length)),
            None => Ok(Self::Close(false)),
        }
    }

    pub(crate) fn is_end(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunked) => chunked.is_end(),
            Self::Close(is_end) => *is_end,
        }
    }

    /// Reads the next piece, and moves the data in it to its beginning.
    pub(crate) fn read(&mut self, piece: &mut [u8]) -> Piece {
        match self {
            Self::Length(left) => {
                let count = usize::try_from(*left).map_or(piece.len(), |left| left.min(piece.len()));
                *left -= count as u64;
                Piece { data: count, used: count, error: None }
            }
            Self::Chunked(chunked) => chunked.read(piece),
            Self::Close(_) => Piece { data: piece.len(), used: piece.len(), error: None },
        }
    }

    /// Takes the end of the connection.
    pub(crate) fn end(&mut self) -> Result<(), Error> {
        match self {
            Self::Close(is_end) => {
                *is_end = true;
                Ok(())
            }
            Self::Length(_) | Self::Chunked(_) => Err(Error::Incomplete),
        }
    }

    /// Takes the trailers after the end.
    pub(crate) fn trailers(&mut self) -> Result<Option<HeaderMap>, Error> {
        match self {
            Self::Chunked(chunked) => chunked.trailers(),
            Self::Length(_) | Self::Close(_) => Ok(None),
        }
    }
}

/// Returns true if the headers ask to close the connection.
pub(crate) fn asks_to_close(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(CONNECTION).iter();
    lines.any(|line| tokens(line).is_some_and(|mut all| all.any(|token| token == "close".into())))
}

/// A token, which is compared without case.
struct Token<'a>(&'a str);

impl<'a> From<&'a str> for Token<'a> {
    fn from(token: &'a str) -> Self {
        Self(token)
    }
}

impl PartialEq for Token<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(other.0)
    }
}

fn tokens(line: &HeaderValue) -> Option<impl DoubleEndedIterator<Item = Token<'_>>> {
    Some(line.to_str().ok()?.split(',').map(|token| Token(token.trim())))
}

/// Returns the length that all `content-length` headers agree on.
fn length(headers: &HeaderMap) -> Result<Option<u64>, Error> {
    let mut length = None;
    for line in headers.get_all(CONTENT_LENGTH) {
        for one in line.to_str().unwrap_or_default().split(',') {
            let one = digits(one.trim()).filter(|one| length.is_none_or(|length| length == *one));
            length = Some(one.ok_or(Error::Framing("content-length"))?);
        }
    }
    Ok(length)
}

fn digits(text: &str) -> Option<u64> {
    // `parse` alone would accept a sign.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
